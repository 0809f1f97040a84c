"""In which countries the people of a draft are, by the regions of their phone numbers."""

from __future__ import annotations

from collections import Counter

from django.db.models import Count
from django.db.models.functions import Substr

from campaigns.gaps import first_contacts
from campaigns.models import Campaign
from contacts.channels import Kind
from contacts.models import Address


def countries(campaign: Campaign) -> Counter[str]:
    """ISO country -> how many of the first people on its lists have their phone there, most first; '' where the number
    does not say. One query."""
    phones = Address.objects.filter(contact__in=first_contacts(campaign), kind=Kind.PHONE, preferred=True)
    found = phones.order_by().values_list(Substr("region", 1, 2)).annotate(n=Count("pk"))
    return Counter(dict(sorted(found, key=lambda row: (-row[1], row[0]))))
