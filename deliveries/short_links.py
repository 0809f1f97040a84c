"""The short links in what we send: each names the link it stands for and the message it stood in, and nothing else.

Nobody can make one up: before both numbers stands a proof, and what a link leads to is a row of ours, never part of the
link. The numbers are hidden, so that it tells nothing of how much we send. It works as long as the row is there, also
once CREDENTIALS_KEY is another: FORMER_CREDENTIALS_KEYS.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from campaigns import links
from campaigns.models import Content, TrackedLink
from campaigns.models.links import digest_of

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE = {digit: value for value, digit in enumerate(DIGITS)}
# Bits: together as many as the characters hold. One guess in 2**40 is right, and leads where our own text leads.
MESSAGE_BITS, LINK_BITS, PROOF_BITS = 40, 27, 40
NUMBER_BITS = MESSAGE_BITS + LINK_BITS
assert len(DIGITS) ** links.CODE_LENGTH >= 1 << (NUMBER_BITS + PROOF_BITS)


# In place of a message, in the links of a test: they lead where they lead, and nobody's click is counted.
OF_TEST = 0


class Named(NamedTuple):
    """What a link names; `message_id` is OF_TEST in a test of a campaign."""

    message_id: int
    link_id: int


def code(message_id: int, link_id: int) -> str:
    """Letters and digits only, so that no program cuts them off; '' for numbers that it cannot hold."""
    if message_id >> MESSAGE_BITS or link_id >> LINK_BITS:
        return ""
    number = message_id << LINK_BITS | link_id
    proof = _proof(settings.CREDENTIALS_KEY, number)
    return _written(proof << NUMBER_BITS | number ^ _mask(settings.CREDENTIALS_KEY, proof))


def read(code: str) -> Named | None:
    """What a link names; None for what we did not make."""
    if len(code) != links.CODE_LENGTH or not all(each in VALUE for each in code):
        return None
    whole = 0
    for digit in code:
        whole = whole * len(DIGITS) + VALUE[digit]
    proof, hidden = whole >> NUMBER_BITS, whole & ((1 << NUMBER_BITS) - 1)
    if proof >> PROOF_BITS:
        return None
    for key in (settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS):
        number = hidden ^ _mask(key, proof)
        if hmac.compare_digest(_octets(_proof(key, number)), _octets(proof)):
            return Named(number >> LINK_BITS, number & ((1 << LINK_BITS) - 1))
    return None


def numbers(contents: Iterable[Content]) -> dict[int, dict[str, int]]:
    """Campaign -> the number of each address in what it says that is made short; made where they are new.

    The contents with their campaigns loaded. No query where no campaign tracks links, one where all are known.
    """
    wanted = {
        (content.campaign_id, digest_of(url)): url
        for content in contents
        if content.campaign.track_links
        for url in content.tracked_addresses
    }
    if not wanted:
        return {}
    known = _known(wanted)
    if missing := wanted.keys() - known.keys():
        rows = [
            TrackedLink(campaign_id=campaign, digest=digest, url=wanted[campaign, digest])
            for campaign, digest in sorted(missing)
        ]
        TrackedLink.objects.bulk_create(rows, ignore_conflicts=True)
        known = _known(wanted)
    found: dict[int, dict[str, int]] = {}
    for key, pk in known.items():
        found.setdefault(key[0], {})[wanted[key]] = pk
    return found


def _known(wanted: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], int]:
    rows = TrackedLink.objects.filter(campaign__in={campaign for campaign, _ in wanted})
    found = {
        (campaign, digest): pk for campaign, digest, pk in rows.values_list("campaign_id", "digest", "pk")
    }
    return {key: pk for key, pk in found.items() if key in wanted}


def of_message(message_id: int, numbers: Mapping[str, int]) -> dict[str, str]:
    """The short address that stands for each address in this message."""
    codes = {url: code(message_id, number) for url, number in numbers.items()}
    return {url: links.address_of(found) for url, found in codes.items() if found}


def _written(number: int) -> str:
    digits = []
    for _ in range(links.CODE_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def _octets(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _proof(secret: str, number: int) -> int:
    return _bits(secret, b"proof", number, PROOF_BITS)


def _mask(secret: str, proof: int) -> int:
    return _bits(secret, b"mask", proof, NUMBER_BITS)


def _bits(secret: str, purpose: bytes, number: int, count: int) -> int:
    digest = hmac.digest(_key(secret), purpose + _octets(number), "sha256")
    return int.from_bytes(digest[:16], "big") >> (128 - count)


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    """A key for this alone, so that a link tells nothing of what else the secret protects."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill short links")
    return hkdf.derive(secret.encode())
