"""Whom a campaign skipped, or would skip, and why: the people behind each of those numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from campaigns.models import Campaign, Recipient
from contacts.channels import IMPOSSIBLE_LINES, KIND_OF, Channel
from contacts.gate import REASONS, Reason, line_detail
from contacts.models import Address, Contact
from contacts.phones import mask
from dashboard.shell.pages import may_see
from deliveries.models import RecipientTally
from deliveries.outcomes.keyset import Cursor, Page, page
from deliveries.outcomes.tally_cells import totals
from deliveries.sending import checks
from deliveries.sending.audience import left_out
from deliveries.wording import withdrawal

SIZE = 50


class Skips(NamedTuple):
    """How many were skipped for a reason, in words, and where they are listed."""

    reason: str
    why: str
    n: int
    url: str


class Person(NamedTuple):
    """`address` is '' where the contact has none for the campaign's channel."""

    contact: Contact
    address: str
    why: str


def by_reason(campaign: Campaign, counts: Mapping[str, int]) -> list[Skips]:
    """The reasons with how many were skipped for them, most first. `counts` may hold '' for those who were not."""
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Skips(reason, why(reason), n, _url(campaign, {"reason": reason})) for reason, n in most if reason]


def why(reason: str) -> str:
    """The reason as the end of a sentence."""
    return REASONS[Reason(reason)].sentence if reason in REASONS else withdrawal(reason).rstrip(".")


def _url(campaign: Campaign, query: Mapping[str, str]) -> str:
    given = urlencode({name: value for name, value in query.items() if value})
    base = reverse("campaigns:skipped", args=[campaign.slug])
    return f"{base}?{given}" if given else base


@requires("campaigns.view_report")
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """All who were skipped, or those for one reason. A fixed number of queries."""
    campaign = get_object_or_404(Campaign.objects.select_related("playbook"), slug=slug)
    reason, mark = request.GET.get("reason", ""), request.GET.get("after", "")
    draft = checks.load(campaign, timezone.now()) if campaign.state == Campaign.State.DRAFT else None
    counts = {key: n for key, n in draft.people.items() if key} if draft else _counts(campaign)
    if reason and reason not in counts:
        found = Page([])
    else:
        found = _would_be_skipped(draft, reason, mark) if draft else _were_skipped(campaign, reason, mark)
    context = {
        "campaign": campaign,
        "draft": draft,
        "reason": reason,
        "total": sum(counts.values()),
        "n": counts.get(reason, 0) if reason else sum(counts.values()),
        "reasons": by_reason(campaign, counts),
        "why": why(reason) if reason in counts else "",
        "all_url": _url(campaign, {}),
        "first_url": _url(campaign, {"reason": reason}),
        "keep": urlencode({"reason": reason}) if reason else "",
        "page": found,
        "people": _people(campaign, found.rows, full=may_see(request)),
    }
    return render(request, "campaigns/skipped.html", context)


def _counts(campaign: Campaign) -> dict[str, int]:
    tallies = RecipientTally.objects.filter(campaign_id=campaign.pk, state=Recipient.State.SKIPPED)
    return totals(tallies.values_list("skip_reason", "n"))


def _were_skipped(campaign: Campaign, reason: str, mark: str) -> Page:
    """(contact, reason) of a page of them."""
    wanted = {"skip_reason": reason} if reason else {}
    skipped = Recipient.objects.filter(campaign=campaign, state=Recipient.State.SKIPPED, **wanted)
    found = page(skipped.only("contact_id", "skip_reason"), SIZE, mark, pk="contact_id")
    return Page([(one.contact_id, one.skip_reason) for one in found.rows], found.after, found.first)


def _would_be_skipped(draft: checks.Draft, reason: str, mark: str) -> Page:
    """(contact, reason) of a page of those whom the draft counts."""
    cursor = Cursor.read(mark)
    found = left_out(
        draft.campaign,
        draft.senders,
        draft.now,
        reason=reason,
        after=cursor.pk if cursor else 0,
        most=SIZE + 1,
        first=draft.first,
    )
    following = str(Cursor(None, found[SIZE - 1][0])) if len(found) > SIZE else ""
    return Page(found[:SIZE], following, first=cursor is None)


def _people(campaign: Campaign, rows: Sequence[tuple[int, str]], *, full: bool) -> list[Person]:
    """These with their names and the address that was looked at: masked unless `full`."""
    ids = [contact for contact, _ in rows]
    contacts = Contact.objects.in_bulk(ids)
    kind = KIND_OF[Channel(campaign.channel)]
    addresses = Address.objects.filter(contact_id__in=ids, kind=kind, preferred=True)
    found = {
        contact: (value, line)
        for contact, value, line in addresses.values_list("contact_id", "value", "line_type")
    }
    return [
        Person(
            contacts[contact],
            value if full else mask(value) if value else "",
            _why_them(reason, line, campaign.channel),
        )
        for contact, reason in rows
        if contact in contacts
        for value, line in [found.get(contact, ("", ""))]
    ]


def _why_them(reason: str, line: str, channel: str) -> str:
    """As `why`, with what kind of line it is where that is the reason."""
    if reason == Reason.WRONG_LINE and line in IMPOSSIBLE_LINES.get(Channel(channel), ()):
        return line_detail(line, channel)
    return why(reason)
