"""What can stand as the sender of a message, channel by channel."""

from __future__ import annotations

import re

from contacts.channels import KIND_OF, Channel, Kind
from contacts.emails import parse_email
from contacts.phones import NotAPhone, e164

SHORT_CODE = re.compile(r"[0-9]{3,8}")
# GSM 03.38 names: eleven characters, one of them a letter, or it would be a number.
SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 _.&+-]{1,11}")
TEXTS = {Channel.SMS, Channel.MMS}


def sender_value(channel: str, text: str, region: str) -> str:
    """`text` in the one form that providers are given. Raises NotAnEmail or NotAPhone.

    A text message may also come from a short code or a name; a number without a country code is of `region`.
    """
    text = text.strip()
    if KIND_OF[Channel(channel)] == Kind.EMAIL:
        return parse_email(text)
    if channel in TEXTS and (SHORT_CODE.fullmatch(text) or SENDER_ID.fullmatch(text)):
        return text
    try:
        return e164(text, region)
    except NotAPhone as problem:
        if channel in TEXTS:
            more = "A short code has 3 to 8 digits, a name up to 11 letters and digits."
            raise NotAPhone(text, problem.why, f"{problem.remedy} {more}".strip()) from None
        raise
