"""What mail servers say of mail that they did not deliver: codes, reasons in words, and whose servers they are.

Enhanced codes are those of RFC 3463, replies those of RFC 5321. What they mean stands in `codes/smtp.csv`; Gmail,
Microsoft and Yahoo give some of them meanings of their own, which stand in tables of their names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from deliveries.providers.mail.bounce_words import About, BounceReason, either, evened, first_reason

WORDS_MAX = 3_000
# Where in the dialogue a refusal came: the greeting, MAIL FROM, RCPT TO, the mail itself; '' when nothing says.
Stage = Literal["", "connection", "sender", "recipient", "text"]

# Not part of an IP address or a version number, which look alike: subjects end at 7.
_ENHANCED = r"(?<![\d.])([245]\.[0-7]\.\d{1,3})(?!\.?\d)"
_BESIDE_ITS_REPLY = re.compile(r"(?<![\d.])([245])[0-57]\d[ -][#'\"]?(\1\.[0-7]\.\d{1,3})(?!\.?\d)")
_ANYWHERE = re.compile(_ENHANCED)
_REPLIES = (
    re.compile(r"\s*([245][0-57]\d)(?=[ -]|$)"),
    re.compile(
        r"(?:said|says|reply|replied|response|returned|error|smtp)\W{1,4}([245][0-57]\d)(?=[ -]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w.:-])([45][0-57]\d)[ -]#?[45]\.[0-7]\.\d"),
    re.compile(r"(?:^|[<>\"'(:;]\s*|\n\s*)([45][0-57]\d)(?=[ -]\D)"),
)
_MAILBOXES = (
    ("gmail", re.compile(r"(?:.+\.)?(?:google|googlemail|gmail)\.com")),
    (
        "microsoft",
        re.compile(
            r"(?:.+\.)?(?:outlook|office365|exchangelabs|hotmail|msn|live)\.com"
            r"|(?:.+\.)?(?:office365\.us|mx\.microsoft)"
            r"|(?:hotmail|outlook|live|msn)\.(?:com?\.)?[a-z]{2}"
        ),
    ),
    # yahoo.co.jp is another company's.
    (
        "yahoo",
        re.compile(
            r"(?:.+\.)?(?:yahoodns\.net|(?:yahoo|ymail|rocketmail|aol|aim|verizon)\.(?:com|net))"
            r"|yahoo\.(?!co\.jp)(?:com?\.)?[a-z]{2}"
        ),
    ),
)  # fmt: skip


def enhanced_code(text: str) -> str:
    """The enhanced status code (5.1.1) in a server's words, preferably one that stands beside its reply; else ''."""
    beside = _BESIDE_ITS_REPLY.search(text)
    if beside:
        return beside[2]
    found = _ANYWHERE.search(text)
    return found[1] if found else ""


def smtp_code(text: str) -> str:
    """The three-digit reply (550) in a server's words; '' when there is none."""
    for pattern in _REPLIES:
        found = pattern.match(text) if pattern is _REPLIES[0] else pattern.search(text)
        if found:
            return found[1]
    return ""


def mailbox_of(host_or_domain: str) -> str:
    """Whose mailboxes are behind a mail host or the domain of an address: gmail, microsoft, yahoo, or ''."""
    host = host_or_domain.strip().rpartition("@")[2].strip("<>[]. ").lower()
    return next((name for name, pattern in _MAILBOXES if pattern.fullmatch(host)), "")


# ---- What the words say ------------------------------------------------------------------------------------

NOT_NOW = "text/not-now"  # we were refused, for a passing cause
_YAHOOS_OWN = re.compile(r"\[((?:TSS|TS|BL|PH|GL|RL|IPTS)\d{2})\]")
_HOST = re.compile(r"(?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@-])", re.IGNORECASE)
_TRIED_TOO_LONG = re.compile(r"[45]\.4\.(?:7|300)")

# What a code claims by itself, which decides the words that may contradict it.
Claim = Literal["nothing", "address", "us", "sure"]
_NOTHING = re.compile(r"[45]\.[02345]\.0|4(?:2[01]|31|5[0-5]|71)|5(?:0\d|4[01]|5[0-5]|71)|[45]\.1\.0")
# 1.7 to 1.9 are about the sender, as is 5.1.90 and above at Microsoft; 2.3 is a size, 2.100 and above are rates.
_ADDRESS = re.compile(r"[45]\.1\.(?:[1-6]|10)|[45]\.2\.[1245]|5\.4\.[14]|51[012]|5\.7\.50[45]")
# "We do not take this mail", written for dead mailboxes as well.
_US = re.compile(r"5\.7\.(?:0|1|13)|525")
_READ_BESIDE: dict[Claim, frozenset[About]] = {
    "nothing": frozenset({"ours", "theirs", "likely", "between", "weak"}),
    "address": frozenset({"ours", "theirs"}),
    "us": frozenset({"ours", "theirs"}),
    "sure": frozenset(),
}
# Replies that say "no such user" and "not from you" alike; their rows mean the former, as most do.
_CATCH_ALL = {"550", "551", "553"}
_CATCH_ALL_CODES = _CATCH_ALL | {"5.1.0", "5.2.0"}
# Replies that say no more than a bare 5.0.0 or 4.0.0.
_ANY_REFUSAL = _CATCH_ALL | {"400", "450", "451", "554"}
_ABOUT_THE_ADDRESS = {"no-such-user", "no-such-host", "moved"}
_MILDER = {"mailbox-full", "receiving-too-fast"}
# A class 4 code says "later" already; these say why.
_WHY_LATER = _MILDER | {"disabled", "expired", "network"}
# Microsoft's for a recipient that its directory does not list; elsewhere the host gave no answer, unless it says this.
_NO_ANSWER = "5.4.1"
_NOT_LISTED = re.compile("recipient address rejected: access denied")

# By the words that Postfix, Exim, sendmail and qmail put around an answer. An answer to RCPT proves nothing, and has no
# row: many servers keep their refusals of a sender until then.
_STAGES: tuple[tuple[Stage, re.Pattern[str]], ...] = (
    (
        "sender",
        either(
            r"(?:after|in reply to|in response to|during) (?:pipelined )?mail from",
            r">>> mail from:[^<>]{0,80}<[^<>]{0,260}>[^<>]{0,80}<<< [45]",
            "sender was rejected",
        ),
    ),
    (
        "connection",
        either(
            "refused to talk to me",
            "after initial connection",
            r"(?:after|in reply to) (?:ehlo|helo)\b",
            "greeting failed",
            "my name was rejected",
        ),
    ),
    (
        "text",
        either(
            r"(?:after|in reply to) (?:pipelined )?(?:sending )?(?:end of )?data\b",
            "after i sent the message",
            "failed on data command",
        ),
    ),
)
# Where a server's answer begins inside another's sentence: said: 550 ..., returned '550 ...', error 550-'5.7.1 ...'.
_QUOTED_ANSWER = re.compile(
    r"\b(?:said|says|reply|replied|response|responded|returned|answered|error)\W{1,4}(?=[245][0-57]\d[ -])",
    re.IGNORECASE,
)
_FIRST_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]{1,64}@[\w.-]{1,253}")


def innermost(words: str) -> str:
    """The answer of the server that refused the mail, where those who pass it on put a code of their own around it."""
    start = max((found.end() for found in _QUOTED_ANSWER.finditer(words)), default=0)
    around = words[:start]
    return words[start:] if enhanced_code(around) or smtp_code(around) else words


def stage_of(even: str) -> Stage:
    """Where in the dialogue the refusal came, by text made even."""
    return next((stage for stage, pattern in _STAGES if pattern.search(even)), "")


def text_reason(words: str) -> str:
    """The reason that a server gives in words, as a code `text/...`; '' when it gives none that we know."""
    even = evened(words[:WORDS_MAX])
    reason = first_reason(even, even, _READ_BESIDE["nothing"])
    return f"text/{reason.name}" if reason else ""


def reason_code(
    status: str, words: str, mailbox: str = "", *, stage: Stage = "", senders: Collection[str] = ()
) -> str:
    """The code that says most: of the report's own `status`, those in the server's words, and the words themselves.

    `stage` is asked of the words when it is not known; `senders` are addresses of ours, lower case. In this order:

    1. Yahoo's own codes, which say it all.
    2. Of the report's code and the server's, the more precise: reports often write 5.0.0 or 5.1.1 where the server said
       5.7.1. But that the time ran out only the report knows. A code that leaves no doubt ends it here.
    3. That we were refused: our address, domain, server, rate or content, by the words, by the stage, or because the
       answer names an address of ours. It comes before any code that blames the recipient, since servers write 5.1.0
       and 5.1.1 for whatever they refuse, and nobody may be silenced for a fault of ours.
    4. What the words say of the recipient, before codes that say little and before 5.7.1, which is written for dead
       mailboxes too. A code that names a bad address stands, unless the mailbox is only full.
    5. Of a bare 5.0.0 and the reply, the reply when it says more: 552 is a full mailbox.
    """
    words = words[:WORDS_MAX]
    own = _YAHOOS_OWN.search(words) if mailbox == "yahoo" else None
    if own:
        return own[1]
    answer = innermost(words)
    quoted, reply = enhanced_code(answer) or enhanced_code(words), smtp_code(answer) or smtp_code(words)
    keep = _TRIED_TOO_LONG.fullmatch(status) or _precision(status) > _precision(quoted)
    code = (status if keep else quoted or status) or reply
    guessed = bool(code == "5.1.1" and not quoted and reply)  # sendmail writes 5.1.1 for every bare 550
    claim = _claim(code, guessed)
    if claim == "sure":
        return code
    even = evened(words)
    passing = "4" in (code[:1], status[:1])
    reason = first_reason(even, evened(answer), _READ_BESIDE[claim])
    if claim != "us":
        refusal = _refusal_of_us(reason, code, claim, answer, stage or stage_of(even), senders, passing)
        if refusal:
            return NOT_NOW if passing and refusal != "too-fast" else f"text/{refusal}"
    if code == _NO_ANSWER and mailbox != "microsoft" and _NOT_LISTED.search(even):
        return "text/no-such-user"
    if reason and _outweighs(reason, code, claim, passing=passing, guessed=guessed, even=even):
        return f"text/{reason.name}"
    telling = code in ("4.0.0", "5.0.0") and reply[:1] == code[:1] and reply not in _ANY_REFUSAL
    return reply if telling else code


def server_reason(words: str, mailbox: str = "") -> str:
    """The code of a server's answer that an email service passes on: its enhanced code, read with the words beside it.

    Of an answer without one only what says that we were refused, for that the service's own word may not know; else ''.
    """
    enhanced = enhanced_code(words)
    if enhanced:
        return reason_code(enhanced, words, mailbox)
    even = evened(words[:WORDS_MAX])
    reason = first_reason(even, even, _READ_BESIDE["address"]) if smtp_code(words).startswith("5") else None
    return f"text/{reason.name}" if reason and reason.about == "ours" else ""


def _claim(code: str, guessed: bool) -> Claim:
    if guessed or not code or _NOTHING.fullmatch(code):
        return "nothing"
    if _ADDRESS.fullmatch(code):
        return "address"
    return "us" if _US.fullmatch(code) else "sure"


def _refusal_of_us(
    reason: BounceReason | None,
    code: str,
    claim: Claim,
    answer: str,
    stage: Stage,
    senders: Collection[str],
    passing: bool,
) -> str:
    """The reason for which we were refused; '' when nothing says that we were."""
    if reason and (reason.about == "ours" or (reason.about == "weak" and passing)):
        return reason.name
    blames = claim == "address" or code in _CATCH_ALL_CODES or code in ("450", "4.1.0", "4.2.0")
    named = _FIRST_ADDRESS.search(answer.lower())
    if named and named[0].rstrip(".") in senders and (blames or not passing):
        return "sender-rejected"
    if stage == "sender" and (blames or not (passing or (reason and reason.about == "between"))):
        return "sender-rejected"
    # A greeting is nobody's yet. After the text some servers still say that there is no such user: then they mean it.
    if stage == "connection" and blames:
        return "policy"
    if (
        stage == "text"
        and claim == "nothing"
        and blames
        and not (reason and reason.about in ("theirs", "likely"))
    ):
        return "policy"
    return ""


def _outweighs(
    reason: BounceReason, code: str, claim: Claim, *, passing: bool, guessed: bool, even: str
) -> bool:
    """Whether words that do not speak of us come before the code."""
    if claim == "us":
        return reason.about == "theirs"
    if claim == "address":
        for_now = reason.name == "disabled" and "temporar" in even
        return (reason.name in _MILDER or for_now) and not code.endswith((".2.2", _NO_ANSWER))
    if passing:
        return reason.name in _WHY_LATER
    return not (reason.name in _ABOUT_THE_ADDRESS and (guessed or code in _CATCH_ALL_CODES))


def _precision(code: str) -> int:
    """How much an enhanced code says: nothing (''), that something failed (5.0.0), where (5.1.0), or what (5.1.1)."""
    _, _, rest = code.partition(".")
    subject, _, detail = rest.partition(".")
    return (1 + (subject != "0") + (detail != "0")) if rest else 0


def says_little(code: str, words: str) -> bool:
    """Whether a code gives no reason, so that other words of the same report may be asked."""
    return not code or code.endswith(".0.0") or (code in _ANY_REFUSAL and not text_reason(words))


def unexplained(code: str, words: str) -> bool:
    """Whether this is a refusal that may as well be our fault as the recipient's, without a word on which it is."""
    return code in _CATCH_ALL and not text_reason(words)


def mailbox_in(words: str) -> str:
    """Whose servers speak here, by the host names in their words."""
    return next(filter(None, (mailbox_of(host) for host in _HOST.findall(words[:WORDS_MAX])[:40])), "")
