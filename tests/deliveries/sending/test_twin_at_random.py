"""The statement that expands an audience and the gate, asked about people at random: they always agree."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest

from contacts.channels import KIND_OF, Channel, Kind, LineType
from contacts.hours import spread
from contacts.models import Address, AddressHealth, Consent, Contact, ListMembership, Suppression
from deliveries.models import Decision
from tests import factories
from tests.deliveries.sending.test_expansion import (
    expand_wholly,
    full_verdicts,
    launching,
    reasons,
    verdicts,
)

pytestmark = pytest.mark.django_db

PEOPLE, BLOCKS = 200, 25
# Two spellings each of a few addresses, so that many share one.
NUMBERS = [
    "+525512345678",
    "+5215512345678",
    "+5511987654321",
    "+551187654321",
    *map(factories.phone_number, range(8)),
]
EMAILS = ["ada.b@gmail.com", "adab+x@googlemail.com", "cem@bücher.example", "cem@xn--bcher-kva.example", *(
    f"person{n}@example.org" for n in range(6)
)]  # fmt: skip
ZONES = ["", "America/Chicago", "Europe/Madrid Atlantic/Canary", "America/Bogota Asia/Bangkok", "Mars/Base"]


@pytest.mark.parametrize("channel", Channel.values)
def test_whoever_is_on_the_list_is_judged_as_the_gate_judges_them(channel, now):
    draw = random.Random(channel)
    factories.account()
    people = factories.contact_list()
    contacts = Contact.objects.bulk_create(
        Contact(time_zone=draw.choice([*[""] * 8, *ZONES])) for _ in range(PEOPLE)
    )
    ListMembership.objects.bulk_create(ListMembership(contact_list=people, contact=one) for one in contacts)
    addresses = Address.objects.bulk_create(
        each for contact in contacts for each in some_addresses(draw, contact)
    )
    Consent.objects.bulk_create(
        each for contact in contacts for each in some_words(draw, contact, channel, now)
    )
    AddressHealth.objects.bulk_create(
        each for address in addresses for each in some_health(draw, address, now)
    )
    barred = factories.contact_list()
    ListMembership.objects.bulk_create(
        ListMembership(contact_list=barred, contact=one) for one in contacts if draw.random() < 0.1
    )
    campaign = launching(
        people, channel=channel, now=now, conditions={"excluded": [barred.pk], "hold_out": 15}
    )
    sender = campaign.contents.get().sender.value
    Suppression.objects.bulk_create(some_block(draw, contacts, channel, sender, now) for _ in range(BLOCKS))

    expand_wholly(campaign, now, chunk=77)

    assert reasons(campaign) == verdicts(campaign, now)
    found = Counter(reasons(campaign).values())
    assert found["opted_out"] + found["suppressed"]
    assert {"", "no_address", "no_consent", "opted_out", "excluded", "hold_out"} <= found.keys()


REGIONS = ["", "US", "US", "US-AL", "US-TX", "us-ri", "PR", "CA-BC", "FR", "AU", "ES"]
AREA_CODES = (205, 212, 401, 502, 512, 787, 800)
LAWFUL_MOMENTS = [  # in UTC: an ordinary day, a Saturday night before the clocks change, a Sunday, Thanksgiving
    datetime(2026, 3, 4, 17, tzinfo=UTC), datetime(2026, 3, 8, 4, tzinfo=UTC), datetime(2026, 3, 8, 18, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2026, 11, 26, 18, tzinfo=UTC),
]  # fmt: skip


@pytest.mark.parametrize("at", LAWFUL_MOMENTS)
@pytest.mark.parametrize("window", [(time(9), time(21)), (time(19, 45), time(22))])
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.RVM])
def test_each_message_is_due_when_the_gate_lets_it_leave(channel, window, at):
    draw = random.Random(f"{channel}{window}{at}")
    factories.account()
    people = factories.contact_list()
    for n in range(60):
        contact = factories.contact(lists=[people], time_zone=draw.choice(["", "", *ZONES]))
        value = f"+1{draw.choice(AREA_CODES)}555{n:04d}"
        factories.phone(contact, value=value, region=draw.choice(REGIONS), time_zone=draw.choice(ZONES))
        Consent.objects.create(contact=contact, channel=channel, opted_in=True, at=at - timedelta(days=9))
    campaign = launching(
        people, channel=channel, now=at, window_start=window[0], window_end=window[1], purpose="marketing"
    )

    expand_wholly(campaign, at, chunk=25)

    said = full_verdicts(campaign, at)
    assert reasons(campaign) == {key: one.reason if one.until is None else "" for key, one in said.items()}
    due = {m.contact_id: (m.pk, m.due_at) for m in campaign.messages.all()}
    for key, (pk, due_at) in due.items():
        opens, ends = said[key].until, said[key].ends
        assert due_at == (spread(pk, opens, ends) if opens else at)
    assert {"no_lawful_hour"} & {*reasons(campaign).values()} or window[0] == time(9)


def test_whoever_no_law_leaves_an_hour_for_is_told_which(now):
    factories.account()
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact, value="+12035550142", region="US", time_zone="America/New_York")
    Consent.objects.create(contact=contact, channel="sms", opted_in=True, at=now - timedelta(days=9))
    campaign = launching(people, now=now, window_start=time(20), window_end=time(22), purpose="marketing")

    expand_wholly(campaign, now)

    assert Decision.objects.get(contact=contact).reason == (
        "Not sent: the campaign sends at no hour that is permitted where the person is"
        " (09:00 to 20:00 is permitted in Connecticut)."
    )


def some_addresses(draw: random.Random, contact: Contact):
    for kind, values in ((Kind.PHONE, NUMBERS), (Kind.EMAIL, EMAILS)):
        chosen = draw.sample(values, draw.choice([0, *[1] * 8, 2]))
        for n, value in enumerate(chosen):
            yield Address(
                contact=contact,
                kind=kind,
                value=value,
                preferred=n == 0 and draw.random() < 0.9,
                line_type=draw.choice([*[LineType.MOBILE] * 8, *LineType.values])
                if kind == Kind.PHONE
                else "unknown",
                validity=draw.choice([*["valid"] * 16, *Address.Validity.values]),
                time_zone=draw.choice(ZONES) if kind == Kind.PHONE else "",
            )


def some_words(draw: random.Random, contact: Contact, channel: str, now):
    """For its own channel and for others, by whom and when ever, some at one moment."""
    channels = [*[channel] * 4, *Channel.values]
    for _ in range(draw.choice([0, 1, 1, 2, 3, 4])):
        yield Consent(
            contact=contact,
            channel=draw.choice(channels),
            opted_in=draw.random() < 0.85,
            origin=draw.choice(Consent.Origin.values),
            at=now - timedelta(days=draw.randrange(4)),
        )


def some_health(draw: random.Random, address: Address, now):
    for channel in Channel:
        if KIND_OF[channel] == address.kind and draw.random() < 0.15:
            yield AddressHealth(
                address=address,
                channel=channel,
                hard_fails=draw.choice([0, 2, 3, 4, 3]),
                enough=draw.choice([0, 0, 1, 5]),
                closed=draw.choice(["", "", "number", "texting", "channel"]),
                closed_why="gone",
                marked_at=now if draw.random() < 0.1 else None,
            )


def some_block(draw: random.Random, contacts: list[Contact], channel: str, sender: str, now) -> Suppression:
    """Of an address in any spelling or of a whole contact, in any scope, lifted or ending now and then."""
    whole = draw.random() < 0.5
    scope = draw.choice([*["everything"] * 3, *Suppression.Scope.values])
    return Suppression(
        contact=draw.choice(contacts),
        value="" if whole else draw.choice(NUMBERS + EMAILS),
        channel=draw.choice(["", "", channel, *Channel.values]),
        scope=scope,
        scope_value={"everything": "", "brand": "Ours"}.get(scope, draw.choice([sender, "+12125550100"])),
        reason=draw.choice(Suppression.Reason.values),
        origin=draw.choice(Suppression.Origin.values),
        created_at=now - timedelta(days=1),
        expires_at=draw.choice(
            [None, None, None, now, now + timedelta(seconds=1), now - timedelta(seconds=1)]
        ),
        released_at=draw.choice([None, None, None, None, now - timedelta(hours=1)]),
    )
