"""The marks in a mail of ours, and finding them again in what comes back.

A mail carries its reference three times: in the envelope sender (`bounces+TOKEN@`), which every bounce comes back to;
in the envelope id; and in the Message-ID. TOKEN ends with a proof that we made it. A report that shows none of the
three is about mail that somebody else sent in our name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deliveries.providers.facts import Call
from deliveries.providers.kit.parsing import LONGEST_ID, UUID
from deliveries.providers.kit.signatures import hmac_hex, same
from deliveries.providers.mail.mail_reading import Fields, Mail, address_in, blocks
from deliveries.providers.mail.returned_mail import status_text

# Headers of ours on stored mail: whom it was sent to, "no" where that is no token of ours, and the account's domain.
# Without the first, as in `manage.py translate`, nobody knows which mail is ours: any may be.
ENVELOPE_TO, PROOF, DOMAIN = "x-envelope-to", "x-waybill-proof", "x-waybill-domain"
BOUNCES, UNSUBSCRIBE = "bounces", "unsubscribe"
PROOF_LENGTH = 16  # hex digits; with the reference and "unsubscribe+" below the 64 that a local part may have
ENVELOPE_ID_MAX = 100

_TOKEN = re.compile(rf"([0-9a-f]{{32}})[-_.=+]?([0-9a-f]{{{PROOF_LENGTH}}})@([\w.-]{{1,253}})", re.IGNORECASE)
_OUR_ID = re.compile(rf"(?<![\w.+-])({UUID.pattern})@([\w.-]{{1,253}})", re.IGNORECASE)
_MESSAGE_ID = re.compile(
    r"^[ \t>]*(?:x-original-)?message-id:\s*<([^<>\s]{3,200})>", re.IGNORECASE | re.MULTILINE
)


# ---- Made ----------------------------------------------------------------------------------------------------


def envelope(purpose: str, ref: str, credentials: Mapping[str, Any]) -> str:
    """`bounces+TOKEN@example.com`: the bounce address of the account, with the reference and its proof in it."""
    local, _, domain = str(credentials["bounce_address"]).strip().rpartition("@")
    name = local if purpose == BOUNCES and local else purpose
    digits = ref.replace("-", "").lower()
    return f"{name}+{digits}{proof(digits, str(credentials['secret']))}@{domain}"


def domain_of(credentials: Mapping[str, Any]) -> str:
    return str(credentials["bounce_address"]).strip().rpartition("@")[2].lower()


def canonical(ref: str) -> str:
    digits = ref.replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def message_id(ref: str, domain: str) -> str:
    return f"{ref}@{domain}"


def envelope_id(ref: str, domain: str) -> str:
    """The same, where RFC 3461 has room for it."""
    whole = message_id(ref, domain)
    return whole if len(whole) <= ENVELOPE_ID_MAX else ref


def proof(ref: str, secret: str) -> str:
    return hmac_hex(secret, b"bounce " + ref.replace("-", "").lower().encode())[:PROOF_LENGTH]


def proven(address: str, secret: str) -> bool:
    """Whether a token of ours stands in this address."""
    token = _TOKEN.search(address)
    return bool(secret and token and same(proof(token[1], secret), token[2].lower()))


# ---- Found again ---------------------------------------------------------------------------------------------


_TO = re.compile(
    rb"^(?:delivered-to|x-original-to|x-delivered-to|envelope-to|to):"
    rb"[ \t]*([^\r\n]{1,1000}(?:\r?\n[ \t][^\r\n]{1,1000}){0,20})",
    re.IGNORECASE | re.MULTILINE,
)
_WHOLE = re.compile(rf"[\w.=-]{{1,64}}[+=-]{_TOKEN.pattern}", re.IGNORECASE)


def has_token(address: str) -> bool:
    return bool(_TOKEN.search(address))


def envelope_to(raw: bytes) -> str:
    """Whom a mail was sent to by its own headers: an address with a token before any other; '' when none says."""
    head = re.split(rb"\r?\n\r?\n", raw[:65_536], maxsplit=1)[0]
    named = [found[1].decode("utf-8", "replace") for found in _TO.finditer(head)]
    whole = next(filter(None, map(_WHOLE.search, named)), None)
    return whole[0] if whole else next(filter(None, map(address_in, named)), "")


class Origin(NamedTuple):
    """The mail that something is about: our reference and its Message-ID, '' where not known.

    `ours` is False for mail of somebody else. `to` is our address that it was sent to. `stored`: it came by mail and
    was stored, so what is ours can be recognised.
    """

    ref: str
    id: str
    ours: bool
    to: str
    stored: bool


def origin(call: Call, mail: Mail) -> Origin:
    envelope_to = call.headers.get(ENVELOPE_TO)
    stored = envelope_to is not None
    to = address_in(envelope_to or "") or address_in(mail.headers.get("to", ""))
    domain = (call.headers.get(DOMAIN) or to.rpartition("@")[2]).lower() if stored else ""
    token = _TOKEN.search(envelope_to or "")
    if token and call.headers.get(PROOF) != "no":
        ref = canonical(token[1])
        return Origin(ref, message_id(ref, domain)[:LONGEST_ID], True, to, stored)
    for ref, where in marks(mail):
        if not stored or where == domain:
            return Origin(ref, message_id(ref, where)[:LONGEST_ID], True, to, stored)
    if stored:
        return Origin("", "", False, to, stored)
    bare = UUID.fullmatch(fields_of(mail).get("original-envelope-id", ""))
    foreign = _MESSAGE_ID.search(mail.everything)
    ref = canonical(bare[0]) if bare else ""
    return Origin(ref, foreign[1][:LONGEST_ID] if foreign else "", True, to, stored)


def marks(mail: Mail) -> Iterator[tuple[str, str]]:
    """What looks like a mark of ours, as (reference, domain), the most telling first."""
    for text in traces(mail):
        for pattern in (_OUR_ID, _TOKEN):
            for found in pattern.finditer(text):
                yield canonical(found[1]), found[found.re.groups].lower()


def traces(mail: Mail) -> Iterator[str]:
    """Where our reference may stand in a report, the most telling place first."""
    fields = fields_of(mail)
    yield fields.get("original-envelope-id", "")
    yield from (found[1] for found in _MESSAGE_ID.finditer(mail.everything))
    for name in ("original-mail-from", "x-original-message-id", "original-message-id", "x-postfix-sender"):
        yield fields.get(name, "")
    yield mail.headers.get("in-reply-to", "")
    yield mail.headers.get("references", "")


def fields_of(mail: Mail) -> Fields:
    """The fields for machines, all groups together."""
    text = mail.text_of("message/feedback-report", "message/disposition-notification") or status_text(mail)
    return {name: value for group in reversed(blocks(text)) for name, value in group.items()}
