"""What providers tell of a number's line, in their own words: its network, its carrier and its kind. Never raises: no
receipt is unreadable for what it says beside its own matter."""

from __future__ import annotations

import re

from contacts.channels import LineType

MOST = 60  # letters of a carrier's name that are kept
_NETWORK = re.compile(r"\d{5,6}")
_KINDS = {
    "mobile": LineType.MOBILE,
    "wireless": LineType.MOBILE,
    "cellular": LineType.MOBILE,
    "landline": LineType.LANDLINE,
    "wireline": LineType.LANDLINE,
    "fixedline": LineType.LANDLINE,
    "fixed": LineType.LANDLINE,
    "voip": LineType.VOIP,
    "fixedvoip": LineType.VOIP,
    "nonfixedvoip": LineType.VOIP,
    "virtual": LineType.VOIP,
    "tollfree": LineType.TOLL_FREE,
    "pager": LineType.OTHER,
    "premium": LineType.OTHER,
    "premiumrate": LineType.OTHER,
    "sharedcost": LineType.OTHER,
    "voicemail": LineType.OTHER,
    "uan": LineType.OTHER,
}


def network_code(country: object, network: object = "") -> str:
    """MCC and MNC as one number of five or six digits, given together or apart; '' for anything else."""
    text = f"{country or ''}{network or ''}".replace("-", "")
    return text if _NETWORK.fullmatch(text) and text.isascii() and not text.startswith("0") else ""


def carrier_name(text: object) -> str:
    """As it is written there; '' where none is named."""
    if not isinstance(text, str):
        return ""
    found = " ".join("".join(each for each in text if each.isprintable()).split())[:MOST]
    return "" if found.casefold() in ("unknown", "n/a", "none", "null", "-", "0") else found


def kind_of_line(text: object) -> str:
    """A value of `LineType`; '' where nothing certain is said."""
    if not isinstance(text, str):
        return ""
    word = "".join(each for each in text.casefold() if each.isalpha())
    return _KINDS.get(word, "")
