"""Contacts, consent and suppressions in the admin. Each module registers its tables as it is imported."""

from contacts.admin import addresses, answers, consent, people, suppressions
from contacts.admin.inlines import FewForms
from contacts.admin.lists import CappedPaginator, Large, Masking, ReadOnly

__all__ = [
    "CappedPaginator",
    "FewForms",
    "Large",
    "Masking",
    "ReadOnly",
    "addresses",
    "answers",
    "consent",
    "people",
    "suppressions",
]
