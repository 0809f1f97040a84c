"""The addresses of a contact as pages show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from contacts.channels import Kind
from contacts.models import Address
from contacts.phones import ERASED, mask


def shown_addresses(addresses: Iterable[Address], *, full: bool) -> list[dict[str, Any]]:
    """All of a contact's, phones first, with what is to be known of each. In `full` only for those who may see them."""
    known = sorted(
        (one for one in addresses if one.value and not one.value.startswith(ERASED)),
        key=lambda one: (one.kind != Kind.PHONE, not one.preferred, one.pk),
    )
    of_kind = Counter(one.kind for one in known)
    return [
        {
            "address": one,
            "shown": one.value if full else mask(one.value),
            "note": _note(one, alone=of_kind[one.kind] == 1),
        }
        for one in known
    ]


def _note(address: Address, *, alone: bool) -> str:
    """Which of several is used, and what is wrong with it: "not preferred, invalid"; '' where that is nothing."""
    words = [] if address.preferred and alone else ["preferred" if address.preferred else "not preferred"]
    if address.validity in (Address.Validity.NEEDS_CORRECTION, Address.Validity.INVALID):
        words.append(address.get_validity_display().lower())
    return ", ".join(words)
