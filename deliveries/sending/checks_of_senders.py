"""What the checks before a launch say of a draft's senders, and of the accounts that its receipts come back to.

Where mailbox providers refuse mail, and where carriers do, it stands in the way; what only arrives worse is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max
from django.urls import reverse

from campaigns import registering
from campaigns.models import Registration, Sender
from campaigns.rates import domain, kind_of, today
from campaigns.sender_values import TEXTS
from contacts.channels import Channel
from deliveries.meaning.mail_dns import FAILING
from deliveries.models import Account, CallbackTest, DomainCheck
from deliveries.receiving.callback_tests import FRESH
from deliveries.wording import listed

# From so many emails on Gmail, Yahoo and Outlook.com treat a sender as one of bulk. They count what comes to each of
# them a day; where one's people have their mailboxes is not known, so all of it counts.
BULK = 5_000


class SenderRemark(NamedTuple):
    blocks: bool
    says: str
    way_out: str
    url: str


class UsedSender(NamedTuple):
    """A sender of a draft; `first`: of its first messages, without which it cannot be launched."""

    sender: Sender
    first: bool


def sender_remarks(
    used: Sequence[UsedSender], countries: Counter[str], mails: int, now: datetime
) -> Iterator[SenderRemark]:
    """`countries`: where the people's phones are; `mails`: how many first messages there are. Two queries."""
    pks = {one.sender.pk for one in used}
    rows = list(Registration.objects.filter(sender__in=pks).order_by("pk")) if pks else []
    dns = DomainCheck.objects.in_bulk([one.sender.pk for one in used if one.sender.channel == Channel.EMAIL])
    for sender, first in used:
        own = [row for row in rows if row.sender_id == sender.pk]
        page = reverse("senders:sender", args=[sender.pk])
        if sender.channel in TEXTS:  # of one that may not send yet, this is what it lacks
            yield from _registered(sender, first, own, countries, now, page)
        if kind_of(sender.channel, sender.value) == "alphanumeric":
            yield SenderRemark(
                False,
                f"Nobody can answer {sender.value}, since it is a name: a STOP never reaches us.",
                "Say in the text how people opt out, such as by a link, or take a number.",
                page,
            )
        for row in registering.ends_soon(own, today(now)):
            yield SenderRemark(
                False,
                f"{row.words} of {sender.value} ends on {row.expires_on:%-d %b %Y}; after that it sends nothing.",
                "Renew it, and have an administrator enter the new date.",
                page,
            )
        if sender.channel == Channel.EMAIL and sender.may_send:
            yield from _authenticated(sender, first, dns.get(sender.pk), mails, page)


def _registered(
    sender: Sender, first: bool, rows: list[Registration], countries: Counter[str], now: datetime, page: str
) -> Iterator[SenderRemark]:
    for country, people in countries.items():
        if not country:
            continue
        lines = registering.in_country(sender, rows, country, today(now))
        there = f"{people:,} of the audience {'is' if people == 1 else 'are'} there"
        if lacking := [line for line in lines if line.demand == "must" and not line.is_satisfied]:
            what = listed([f"{line.kind.label} ({str(line.state.label).lower()})" for line in lacking], "and")
            by_hand = bool(sender.state_reason)
            yield SenderRemark(
                first and not by_hand,
                f"{sender.value} lacks what {country} asks for: {what}; {there}.",
                f"An administrator has set it to {sender.get_state_display().lower()}: {sender.state_reason}"
                if by_hand
                else "Take another sender, or have an administrator enter it once it is approved.",
                page,
            )
        elif any(line.is_lacking for line in lines):
            yield SenderRemark(
                False,
                f"Whether {country} asks for {sender.value} to be registered is not known; {there}.",
                "Ask the provider, and have an administrator enter what it says.",
                page,
            )
        if refused := [line for line in lines if line.carrier and line.state == Registration.State.REJECTED]:
            names = listed([line.carrier for line in refused], "and")
            yield SenderRemark(
                False,
                f"Refused {sender.value}: {names}. Their customers get nothing.",
                "Find out why, or take another sender for them.",
                page,
            )


def _authenticated(
    sender: Sender, first: bool, check: DomainCheck | None, mails: int, page: str
) -> Iterator[SenderRemark]:
    whose = domain(sender.value)
    if check is None or check.checked_at is None:
        yield SenderRemark(
            False,
            f"Whether mail of {whose} is authenticated is not known.",
            "Have the DNS checked on the sender's page.",
            f"{page}#dns",
        )
        return
    states = {one["what"]: one["state"] for one in check.found}
    failing = [what for what in ("spf", "dkim", "dmarc") if states.get(what) in FAILING]
    if not failing:
        return
    names = listed([what.upper() for what in failing], "and")
    neither = {"spf", "dkim"} <= set(failing)
    refused = first and (neither or mails >= BULK)
    why = (
        "Gmail takes no mail without one of SPF and DKIM"
        if neither
        else f"Gmail, Yahoo and Outlook.com ask for it of whoever sends {BULK:,} a day"
    )
    yield SenderRemark(
        refused,
        f"{names} of {whose} {'is' if len(failing) == 1 else 'are'} not in order. {why}.",
        "Add the records that the sender's page shows, then have the DNS checked again.",
        f"{page}#dns",
    )


def receiving_remarks(accounts: Sequence[Account], now: datetime) -> Iterator[SenderRemark]:
    """Accounts that nothing has come from within a day, neither a receipt nor a test. One query."""
    tested = dict(
        CallbackTest.objects.filter(account__in=accounts, arrived_at__isnull=False)
        .order_by()
        .values_list("account")
        .annotate(last=Max("arrived_at"))
    )
    for account in accounts:
        last = max(filter(None, [account.receipt_at, tested.get(account.pk)]), default=None)
        if last is None or last < now - FRESH:
            yield SenderRemark(
                False,
                f"No verified receipt of {account} has come {'within a day' if last else 'yet'}: whether they "
                "come back is not known.",
                "Send a test callback; where only the provider can sign, begin with a small list.",
                reverse("senders:receiving"),
            )
