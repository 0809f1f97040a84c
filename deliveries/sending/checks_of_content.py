"""What the checks before a launch say of a draft's texts: `campaigns/content_checks.py`, with what is known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from campaigns.checked_text import Remark, Text
from campaigns.content_checks import remarks
from campaigns.models import Brand, Campaign, Content
from campaigns.models.brands import NAME
from campaigns.segments import segments
from contacts.channels import Channel
from contacts.jurisdictions import Purpose


def remarks_of(
    campaign: Campaign, contents: Mapping[str, Content], countries: list[str], real: set[str]
) -> Iterator[tuple[str, Remark]]:
    """(channel, remark) about each text that may be sent; `real`: the channels by which it reaches people."""
    used = {campaign.channel, *campaign.moves_to}
    for channel, content in contents.items():
        if channel in used:
            for remark in remarks(facts(content, campaign.purpose, countries, real=channel in real)):
                yield channel, remark


def facts(
    content: Content, purpose: str, countries: list[str], *, real: bool = True, most_segments: int = 0
) -> Text:
    """A content as the checks look at it. Not `real`: it goes to simulated carriers only."""
    return Text(
        channel=content.channel,
        body=content.body,
        subject=content.subject,
        html=content.html,
        sender=content.sender.value,
        names=_names(content.sender.brand),
        domains=_domains(content),
        countries=tuple(countries),
        marketing=purpose == Purpose.MARKETING,
        most_segments=most_segments or segments(content.counted_body),
        unsubscribe=not (real and is_local(settings.PUBLIC_URL)),
    )


def is_local(url: str) -> bool:
    """Whether an address leads to this machine or network, which nobody outside can open."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _domains(content: Content) -> tuple[str, ...]:
    """Those of the sender's brand, and the one it writes from; and ours, to which short links lead."""
    own = [content.sender.value.partition("@")[2]] if content.channel == Channel.EMAIL else []
    known = [*content.sender.brand.domains, *own]
    return tuple(dict.fromkeys([*known, urlsplit(settings.LINK_URL).hostname or ""])) if known else ()


def _names(brand: Brand) -> tuple[str, ...]:
    """What people know it as; nothing while nobody has named it."""
    return () if brand.name == NAME else (brand.name,)
