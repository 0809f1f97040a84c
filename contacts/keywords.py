"""What a text message from a person asks of us: to stop, to start again, for help, or nothing we act on."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, NamedTuple

Kind = Literal["stop", "start", "help", "reply"]

# The union of what carriers, providers and regulators treat as keywords; compared after `_plain`.
STOP = {
    "stop",
    "stopall",
    "stop all",
    "end",
    "quit",
    "cancel",
    "unsubscribe",
    "revoke",
    "optout",
    "opt out",
    "remove",
    "arret",
}
START = {"start", "unstop"}
HELP = {"help", "info", "aide"}
YES = "yes"

# No keyword, but what a reasonable person understands as "do not write to me again".
_CLEAR = re.compile(
    r"""\b(
        remove \s me | take \s me \s off | opt \s me \s out | unsubscribe \s me | leave \s me \s alone
      | (dont|do \s not|never) \s (ever \s)? (text|call|message|contact|email|write) \s (me|us|this|again)
      | (no \s more|stop \s (sending|the)) \s (\w+ \s)? (messages?|texts?|calls?|emails?|voicemails?|spam)
      | stop \s (texting|calling|messaging|contacting|emailing|spamming|bothering|harassing)
      | (please|pls|plz) \s stop$ | wrong \s (number|person) | lose \s (my|this) \s number
      | (fuck|piss|bugger|sod|f) \s off
    )\b""",
    re.VERBOSE,
)
_STOP_INSIDE = re.compile(rf"\b({'|'.join(sorted(STOP))})\b")


# On a call: 9 ends calls to this number, as our own announcements say; every other key answers a question.
KEY_FOR_STOP = "9"


class Keyword(NamedTuple):
    """What a message asks for. `review`: a person should look at it, whatever was done about it already."""

    kind: Kind
    review: bool = False


_TOLD_BY_PROVIDER: dict[str, Kind] = {"stop": "stop", "start": "start", "help": "help"}


def classify(text: str, opt_out_type: str = "", *, opted_out: bool = False) -> Keyword:
    """Read one inbound message. `opt_out_type` is the provider's own finding (STOP, START, HELP) and wins.

    `opted_out`: the person has opted out by keyword. Only then does a bare YES mean "start again"; at any other
    time it answers a question.
    """
    told = _TOLD_BY_PROVIDER.get(opt_out_type.strip().casefold())
    if told:
        return Keyword(told)
    plain = _plain(text)
    if plain in STOP or plain.startswith("stop "):
        return Keyword("stop")
    if plain in START or (opted_out and plain == YES):
        return Keyword("start")
    if plain in HELP:
        return Keyword("help")
    if _CLEAR.search(plain):
        return Keyword("stop", review=True)
    return Keyword("reply", review=bool(_STOP_INSIDE.search(plain)))


def pressed(digits: str) -> Kind:
    """What keys pressed during a call ask for."""
    return "stop" if digits.strip("#* ") == KEY_FOR_STOP else "reply"


def _plain(text: str) -> str:
    """Lower-case words without accents, marks and pictures, one space between them; "s.t.o.p" becomes "stop"."""
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(each for each in folded if not unicodedata.combining(each))
    joined = re.sub(r"['’‘`´]", "", letters)
    words = re.sub(r"[\W_]+", " ", joined).split()
    if len(words) > 1 and all(len(word) == 1 for word in words):
        return "".join(words)
    return " ".join(words)
