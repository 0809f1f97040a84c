"""In which countries the people of a draft are, by the regions of their phone numbers."""

from __future__ import annotations

from collections import Counter

from django.db.models import Count, QuerySet
from django.db.models.functions import Substr

from contacts.channels import Kind
from contacts.models import Address, Contact


def countries(contacts: QuerySet[Contact]) -> Counter[str]:
    """ISO country -> how many of these people have their phone there, most first; '' where the number
    does not say. One query."""
    phones = Address.objects.filter(contact__in=contacts, kind=Kind.PHONE, preferred=True)
    found = phones.order_by().values_list(Substr("region", 1, 2)).annotate(n=Count("pk"))
    return Counter(dict(sorted(found, key=lambda row: (-row[1], row[0]))))
