"""Somebody who said no, everybody who has their number or email since, and whether anything would reach these."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import time_machine
from django.db import transaction

from contacts import import_files, import_runs
from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel
from contacts.consenting import record_opt_out, record_request
from contacts.import_columns import guessed_uses
from contacts.import_options import ImportOptions
from contacts.models import Address, Contact, ContactImport
from deliveries.deciding.stopping import apply_opt_outs, stop_paths
from deliveries.receiving.unsubscribing import ON_PAGE, unsubscribe
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import Fake, person, rebuild, report, sending, waiting, work

NUMBER, EMAIL, CUSTOMER = "+15125550142", "robin@example.com", "CRM-77"
HOUR = timedelta(hours=1)
PHONE_CHANNELS = [Channel.SMS, Channel.MMS, Channel.VOICE, Channel.RVM]
EVERY = [*PHONE_CHANNELS, Channel.EMAIL]


class Robin:
    """A person with a number and an email who agreed to everything, and got a text and a mail from us an hour ago."""

    def __init__(self, now: datetime, number: str = NUMBER, email: str = EMAIL) -> None:
        self.now = now
        self.account = factories.account()
        self.by = factories.user("admin", is_staff=True, is_superuser=True)
        self.contact = person(*EVERY, at=now, name="Robin Lee", external_id=CUSTOMER)
        self.contact.addresses.filter(kind="phone").update(value=number, match_key=match_key(number))
        self.contact.addresses.filter(kind="email").update(value=email, match_key=match_key(email))
        self.pk = self.contact.pk  # also once it is deleted
        self.keys = {match_key(number), match_key(email)}
        self.campaigns = {"sms": sending("sms", "email"), "email": sending("email", "sms")}
        self.sent = {
            channel: waiting(campaign, self.account, now - HOUR, self.contact, address=self.address(channel))
            for channel, campaign in self.campaigns.items()
        }
        dispatch(now - HOUR, Fake())
        for message in self.sent.values():
            message.refresh_from_db()

    def address(self, channel: str) -> Address:
        return self.contact.addresses.get(kind=KIND_OF[Channel(channel)], preferred=True)

    def later(self, hours: float = 1) -> datetime:
        self.now += hours * HOUR
        return self.now

    # ---- What becomes of it ----

    def contacts(self) -> list[Contact]:
        """The contact itself, or the one that it was merged into."""
        return [one.stays for one in Contact.objects.filter(pk=self.pk)]

    def holders(self) -> list[Contact]:
        """Everybody who has an address that was theirs, and the contact itself."""
        theirs = Contact.objects.filter(addresses__match_key__in=self.keys)
        return sorted({*theirs, *self.contacts()}, key=lambda one: one.pk)

    def leaves(self, channels: Sequence[str]) -> list[str]:
        """The channels by which anything is handed over: what waits, what is due within two days, and a message of a
        new campaign by another account to each of these people, put straight before the gate."""
        carriers = Fake()
        for hours in (0.5, 24, 25):
            work(self.now + hours * HOUR, carriers)
        now = self.later(26)
        account = factories.account()
        for contact in self.holders():
            for channel in channels:
                there = contact.addresses.filter(kind=KIND_OF[Channel(channel)], preferred=True).first()
                if there is not None:
                    waiting(sending(channel), account, now, contact, address=there)
        rebuild()
        work(now, carriers)
        own = Address.objects.filter(contact__in=self.contacts()).values_list("match_key", flat=True)
        left = {out.channel for out in carriers.left if match_key(out.to) in {*self.keys, *own}}
        return sorted(left & {str(each) for each in channels})


# ---- The noes: which channels each closes ----


def stop(robin: Robin) -> list[Channel]:
    now, value = robin.later(), robin.address("sms").value
    with transaction.atomic():
        record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now)
        stop_paths([value], now)
    return PHONE_CHANNELS


def unsubscribed(robin: Robin) -> list[Channel]:
    unsubscribe(robin.sent["email"], robin.later(), ON_PAGE)
    return [Channel.EMAIL]


def asked(robin: Robin) -> list[Channel]:
    """A colleague wrote down that the person wants nothing more, of any kind."""
    record_request(contact=robin.contact, evidence="By phone", by=robin.by, now=robin.later())
    return EVERY


def asked_at_the_number(robin: Robin) -> list[Channel]:
    """A colleague wrote down that they want nothing at this number."""
    value = robin.address("sms").value
    record_request(contact=robin.contact, value=value, evidence="By phone", by=robin.by, now=robin.later())
    return PHONE_CHANNELS


def complained(robin: Robin) -> list[Channel]:
    message = robin.sent["email"]
    meaning = Meaning(Status.COMPLAINED, FailureClass.OPT_OUT, Fault.RECIPIENT)
    report(message, meaning, robin.later(), "complaint")
    message.refresh_from_db()
    apply_opt_outs([message], robin.now)
    return [Channel.EMAIL]


No = Callable[[Robin], list[Channel]]
NOES: list[No] = [stop, unsubscribed, asked, asked_at_the_number]


# ---- What several ways do ----

# What is done after the no; or, of those that wait in between for it, what goes before and what comes after.
Way = Callable[[Robin], Iterator[None] | None]


def import_file(robin: Robin, text: str, **options: object) -> ContactImport:
    """By the pages of import, to its end. Everybody in it agreed to everything, so it says."""
    now = robin.later()
    with time_machine.travel(now):
        one = import_files.store_upload(io.BytesIO(text.encode()), name="people.csv", by=robin.by, now=now)
        given = {
            "uses": guessed_uses(one.titles), "region": "US", "list_name": "Fair", "fill_in": True,
            "everybody": [str(each) for each in EVERY], "how": "Web form", "when": now.date().isoformat(),
        }  # fmt: skip
        one.options = ImportOptions(**{**given, **options}).as_json()  # type: ignore[arg-type]
        one.save()
        assert import_runs.start(one, now)
        finish(one, now)
    return one


def finish(one: ContactImport, now: datetime) -> None:
    for _ in range(20):
        import_runs.run(now)
        one.refresh_from_db()
        if not one.is_under_way:
            return
    raise AssertionError(f"It came to no end: {one.state}")
