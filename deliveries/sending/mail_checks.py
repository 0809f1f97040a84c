"""The DNS of From addresses, asked in the background: when somebody wants to know, and once a day for those known.

What it says of SPF, DKIM and DMARC is kept as the sender's registrations too, so their history is one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import dns.exception
import dns.rdatatype
import dns.resolver
from django.db.models import F, Q
from django.utils import timezone

from campaigns import registering
from campaigns.models import Registration, Sender
from campaigns.rates import domain
from contacts.channels import Channel
from deliveries.meaning.mail_dns import FAILING, IN_ORDER, DnsFinding, NoAnswer, Resolver, examine
from deliveries.models import DomainCheck

LOOKUP_SECONDS = 2.0  # for one name
TOTAL_SECONDS = 8.0  # for one sender, within the time of a step
AGAIN = timedelta(days=1)


class Dns:
    """The machine's own resolver. All that one of these is asked takes at most TOTAL_SECONDS."""

    def __init__(self, servers: Sequence[str] = (), port: int = 53, seconds: float = TOTAL_SECONDS) -> None:
        self._ends = time.monotonic() + seconds
        self._resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = list(servers)
            self._resolver.port = port

    def txt(self, name: str) -> list[str]:
        return [
            b"".join(one.strings).decode("utf-8", "replace") for one in self._ask(name, dns.rdatatype.TXT)
        ]

    def mx(self, name: str) -> list[str]:
        found = sorted(self._ask(name, dns.rdatatype.MX), key=lambda one: one.preference)
        return [one.exchange.to_text(omit_final_dot=True) for one in found]

    def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list:
        left = min(self._ends - time.monotonic(), LOOKUP_SECONDS)
        if left <= 0:
            raise NoAnswer("it took too long.")
        try:
            return list(self._resolver.resolve(name, kind, lifetime=left, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.Timeout:
            raise NoAnswer("it took too long.") from None
        except (dns.exception.DNSException, OSError, UnicodeError):
            raise NoAnswer("its servers answer with an error.") from None


def ask(sender: Sender, now: datetime) -> DomainCheck:
    """Have the DNS of a From address looked at in the background."""
    row, _ = DomainCheck.objects.update_or_create(pk=sender.pk, defaults={"asked_at": now})
    return row


def run(now: datetime, resolver: Resolver | None = None) -> int:
    """Look at one sender: the first that somebody asked about, else one that was not looked at for a day."""
    due = Q(asked_at__isnull=False) | Q(checked_at__lt=now - AGAIN)
    row = (
        DomainCheck.objects.filter(due, sender__channel=Channel.EMAIL)
        .select_related("sender")
        .order_by(F("asked_at").asc(nulls_last=True), "checked_at")
        .first()
    )
    if row is None:
        return 0
    # Claimed first: another process looks at the next one.
    mine = DomainCheck.objects.filter(pk=row.pk, asked_at=row.asked_at, checked_at=row.checked_at)
    if not mine.update(asked_at=None, checked_at=now):
        return 1
    sender = row.sender
    slugs = sender.accounts.filter(active=True).values_list("provider", flat=True)
    found = examine(domain(sender.value), slugs, sender.dkim_selectors.split(), resolver or Dns())
    DomainCheck.objects.filter(pk=row.pk).update(
        found=[one.as_dict() for one in found], checked_at=timezone.now()
    )
    for one in found:
        with suppress(ValueError):
            _keep(sender, Registration.Kind(one.what), one, now)
    return 1


def _keep(sender: Sender, kind: Registration.Kind, one: DnsFinding, now: datetime) -> None:
    """Nothing is kept of what the DNS did not say: what is known stays."""
    was = Registration.objects.filter(sender=sender, kind=kind, country="", carrier="").first()
    if one.state in IN_ORDER:
        state = Registration.State.APPROVED
    elif one.state in FAILING:
        state = Registration.State.NEEDED
    else:
        return
    if was and was.state == state and was.note == one.says[:300]:
        return
    values = Registration(kind=kind, state=state, note=one.says[:300], decided_on=now.date())
    registering.change(sender, values, None, now)


def states(sender_id: int) -> dict[str, str]:
    """What the last look found: spf, dkim, dmarc, mx -> its state; empty before the first."""
    row = DomainCheck.objects.filter(pk=sender_id).first()
    return {one["what"]: one["state"] for one in row.found} if row else {}
