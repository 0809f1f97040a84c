"""Signed links in what we send: each names the message it stood in, and nothing else.

A link is the address of a page for whoever got the message (`public/`). Nobody can make one up, and it tells nothing of
the person. It works as long as the message is known, also once CREDENTIALS_KEY is another: FORMER_CREDENTIALS_KEYS.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PATH = "u"  # short: it stands in every mail
PROOF_LENGTH = 16  # bytes
# Comments, Outlook's conditions among them, and elements whose content no mail program shows as text; unclosed ones
# reach to the end.
HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title|template|textarea|noscript|iframe|xmp)\b.*?(?:</\1\s*>|\Z)",
    re.I | re.S,
)
# What the mail's own style sheet says of paragraphs and links does not reach this line: what is said at an element so
# wins. What hides an element around it is looked for before a launch (`campaigns/html_hiding.py`).
SEEN = [
    "visibility:visible",
    "opacity:1",
    "position:static",
    "float:none",
    "width:auto",
    "height:auto",
    "max-height:none",
    "overflow:visible",
    "transform:none",
    "text-indent:0",
    "font-size:14px",
    "line-height:20px",
    "letter-spacing:normal",
    "background:#fff",
]
LINE_STYLE = ";".join(f"{one}!important" for one in ["display:block", *SEEN, "margin:16px", "color:#222"])
LINK_STYLE = ";".join(f"{one}!important" for one in ["display:inline", *SEEN, "color:#1a4fa3"])
CLOSES_BODY = re.compile(r"</body\s*>", re.I)


def page(ref: str) -> str:
    """The address of the page on which whoever got the message says what they no longer want."""
    return f"{settings.PUBLIC_URL}/{PATH}/{token(ref)}"


def below(body: str, where: str) -> str:
    """What a mail says, and under it where to end such mail."""
    return f"{body.rstrip()}\n\nUnsubscribe: {where}\n"


def below_html(html: str, where: str) -> str:
    """The same of HTML: a line at its end, inside of its body."""
    if not html:
        return ""
    line = f'<p style="{LINE_STYLE}"><a href="{where}" style="{LINK_STYLE}">Unsubscribe</a></p>'
    end = _end_of_what_shows(html)
    return f"{html}\n{line}\n" if end == len(html) else f"{html[:end]}{line}\n{html[end:]}"


def _end_of_what_shows(html: str) -> int:
    """Where the last that a reader sees ends: before what closes the body, or before something that is never closed, in
    which a line at the end would not show."""
    end = start = 0
    closing = len(html)
    for hidden in HIDDEN.finditer(html):
        closing = _last_closing(html, end, hidden.start(), closing)
        end, start = hidden.end(), hidden.start()
        if end == len(html) and not hidden.group().endswith(">"):
            return min(closing, start) if closing < len(html) else start
    closing = _last_closing(html, end, len(html), closing)
    if closing < len(html):
        return closing
    unclosed = html.rfind("<", end)
    return unclosed if unclosed > html.rfind(">", end) else len(html)


def _last_closing(html: str, start: int, end: int, before: int) -> int:
    """Where the body is closed between these places, the last time; else as `before`."""
    return max((found.start() for found in CLOSES_BODY.finditer(html, start, end)), default=before)


def token(ref: str) -> str:
    """43 characters that stand in a path as they are: the reference, and the proof that we put it there."""
    octets = UUID(ref).bytes
    return base64.urlsafe_b64encode(octets + _proof(settings.CREDENTIALS_KEY, octets)).decode().rstrip("=")


def read(token: str) -> str:
    """The reference of the message that the link stood in; '' for what we did not sign."""
    try:
        octets = base64.urlsafe_b64decode(f"{token}=".encode("ascii"))
    except (ValueError, binascii.Error):
        return ""
    named, proof = octets[:16], octets[16:]
    if len(proof) != PROOF_LENGTH:
        return ""
    keys = (settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS)
    matches = [hmac.compare_digest(_proof(key, named), proof) for key in keys]
    return str(UUID(bytes=named)) if any(matches) else ""


def _proof(secret: str, octets: bytes) -> bytes:
    return hmac.digest(_key(secret), octets, "sha256")[:PROOF_LENGTH]


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    """A key for this alone, so that a link tells nothing of what else the secret protects."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill links in messages")
    return hkdf.derive(secret.encode())
