"""Signed links in what we send: each names the message it stood in, and nothing else.

A link is the address of a page for whoever got the message (`public/`). Nobody can make one up, and it tells nothing of
the person. It works as long as the message is known, also once CREDENTIALS_KEY is another: FORMER_CREDENTIALS_KEYS.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PATH = "u"  # short: it stands in every mail
PROOF_LENGTH = 16  # bytes
# What stands before the reference in what is proved: no proof of the one is one of the other.
OF_MESSAGE, OF_TEST = b"", b"test"


def page(ref: str) -> str:
    """The address of the page on which whoever got the message says what they no longer want."""
    return f"{settings.PUBLIC_URL}/{PATH}/{token(ref)}"


def test_page(ref: str) -> str:
    """The same in a test of a campaign: of a page that says that it was one."""
    return f"{settings.PUBLIC_URL}/{PATH}/{_token(UUID(ref).bytes, OF_TEST)}"


def below(body: str, where: str) -> str:
    """What a mail says, and under it where to end such mail."""
    return f"{body.rstrip()}\n\nUnsubscribe: {where}\n"


def below_html(html: str, where: str) -> str:
    """The same of HTML: a line at its end, inside of its body."""
    if not html:
        return ""
    line = f'<p><a href="{where}">Unsubscribe</a></p>'
    end = html.lower().rfind("</body>")
    return f"{html}\n{line}\n" if end < 0 else f"{html[:end]}{line}\n{html[end:]}"


def token(ref: str) -> str:
    """43 characters that stand in a path as they are: the reference, and the proof that we put it there."""
    return _token(UUID(ref).bytes, OF_MESSAGE)


def _token(octets: bytes, of: bytes) -> str:
    return (
        base64.urlsafe_b64encode(octets + _proof(settings.CREDENTIALS_KEY, of + octets)).decode().rstrip("=")
    )


def read(token: str) -> str:
    """The reference of the message that the link stood in; '' for what we did not sign."""
    return _read(token, OF_MESSAGE)


def is_of_test(token: str) -> bool:
    """Whether the link stood in a test of a campaign."""
    return bool(_read(token, OF_TEST))


def _read(token: str, of: bytes) -> str:
    try:
        octets = base64.urlsafe_b64decode(f"{token}=".encode("ascii"))
    except (ValueError, binascii.Error):
        return ""
    named, proof = octets[:16], octets[16:]
    if len(proof) != PROOF_LENGTH:
        return ""
    keys = (settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS)
    matches = [hmac.compare_digest(_proof(key, of + named), proof) for key in keys]
    return str(UUID(bytes=named)) if any(matches) else ""


def _proof(secret: str, octets: bytes) -> bytes:
    return hmac.digest(_key(secret), octets, "sha256")[:PROOF_LENGTH]


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    """A key for this alone, so that a link tells nothing of what else the secret protects."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill links in messages")
    return hkdf.derive(secret.encode())
