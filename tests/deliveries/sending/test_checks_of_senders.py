"""What a launch says of its senders: registrations where people are, mail's authentication, receipts that come back."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from campaigns import registering
from campaigns.models import Registration, Sender
from deliveries.models import CallbackTest, DomainCheck
from deliveries.sending import checks
from deliveries.sending.checks_of_senders import UsedSender, receiving_remarks, sender_remarks
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db
Kind, State = Registration.Kind, Registration.State


def says(sender, now, countries=None, *, first=True, mails=10):
    found = sender_remarks([UsedSender(sender, first)], Counter(countries or {"US": 3}), mails, now)
    return [(one.blocks, one.says) for one in found]


def test_a_sender_that_lacks_what_a_country_asks_for_stands_in_the_way_there_alone(now):
    sender = factories.sender(value="+18885550142")  # approved for the USA, and not for Canada

    [(blocks, text)] = says(sender, now, {"US": 3, "CA": 1, "GB": 2})

    assert blocks
    assert "lacks what CA asks for: Toll-free verification (needed); 1 of the audience is there." in text
    assert says(sender, now, {"CA": 1}, first=False)[0][0] is False  # only later attempts go by it


def test_one_that_an_administrator_has_approved_is_a_warning_with_the_reason(now):
    sender, admin = factories.sender(), factories.user("admin")
    sender.registrations.all().delete()
    registering.set_state(sender, Sender.State.APPROVED, "Agreed with the carrier.", admin, now)

    [remark] = sender_remarks([UsedSender(sender, True)], Counter({"US": 3}), 10, now)

    assert not remark.blocks
    assert "Agreed with the carrier." in remark.way_out


def test_a_name_cannot_be_answered_and_countries_nobody_spoke_of_are_named(now):
    sender = factories.sender(value="Clinic")
    sender.registrations.update(country="GB", state=State.NOT_NEEDED)

    texts = " ".join(text for blocks, text in says(sender, now, {"GB": 5, "DE": 2}) if not blocks)

    assert "a STOP never reaches us" in texts
    assert "Whether DE asks for Clinic to be registered is not known; 2 of the audience are there." in texts
    assert "GB" not in texts


def test_what_ends_soon_and_who_refused_it_are_warnings(now):
    sender = factories.sender()
    sender.registrations.filter(kind=Kind.CAMPAIGN).update(expires_on=now.date() + timedelta(days=29))
    refusal = Registration(kind=Kind.CARRIER, country="US", carrier="AT&T", state=State.REJECTED)
    registering.change(sender, refusal, None, now)

    found = says(sender, now)

    assert [blocks for blocks, _ in found] == [False, False]
    assert "AT&T" in found[0][1]
    assert "ends on 2 Apr 2026" in found[1][1]


@pytest.mark.parametrize(
    ("states", "mails", "blocks", "words"),
    [
        ({"spf": "ok", "dkim": "ok", "dmarc": "ok"}, 9_000, None, ""),
        ({"spf": "weak", "dkim": "unknown", "dmarc": "ok"}, 9_000, None, ""),
        (
            {"spf": "ok", "dkim": "missing", "dmarc": "ok"},
            4_999,
            False,
            "DKIM of example.com is not in order",
        ),
        (
            {"spf": "ok", "dkim": "missing", "dmarc": "missing"},
            5_000,
            True,
            "DKIM and DMARC of example.com are",
        ),
        ({"spf": "missing", "dkim": "wrong", "dmarc": "ok"}, 1, True, "Gmail takes no mail without one of"),
    ],
)
def test_mail_that_mailboxes_refuse_is_not_launched(now, states, mails, blocks, words):
    sender = factories.sender("email", value="a@example.com", state="not_needed")
    found = [{"what": what, "state": state} for what, state in states.items()]
    DomainCheck.objects.create(sender=sender, checked_at=now, found=found)

    answer = says(sender, now, mails=mails)

    assert [one[0] for one in answer] == ([] if blocks is None else [blocks])
    assert words in "".join(text for _, text in answer)


def test_a_domain_that_nobody_looked_at_is_a_warning(now):
    sender = factories.sender("email", value="a@example.com", state="not_needed")

    assert says(sender, now) == [(False, "Whether mail of example.com is authenticated is not known.")]


def test_receiving_is_proven_by_a_receipt_or_a_test_within_a_day(now):
    old, fresh, tested, never = (
        factories.account(name=name, receipt_at=at)
        for name, at in [
            ("Old", now - timedelta(hours=25)),
            ("Fresh", now - timedelta(hours=23)),
            ("Tested", None),
            ("Never", None),
        ]
    )
    CallbackTest.objects.create(account=tested, asked_at=now, arrived_at=now - timedelta(hours=1))
    CallbackTest.objects.create(account=never, asked_at=now, trouble="No answer")

    texts = [one.says for one in receiving_remarks([old, fresh, tested, never], now)]

    assert [text.split(":")[0] for text in texts] == [
        "No verified receipt of Old has come within a day",
        "No verified receipt of Never has come yet",
    ]


def test_a_draft_is_asked_about_the_sender_that_its_route_names_and_its_page_is_the_way(now):
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact)
    consent(contact, "sms", at=now - timedelta(days=1))
    campaign = factories.campaign(lists=[people])
    content = factories.content(campaign)
    factories.account(channels=["sms"], receipt_at=None)
    content.sender.registrations.filter(kind=Kind.BRAND).update(state=State.SUBMITTED)

    found = checks.check(checks.load(campaign, now))

    ways = [(one.blocks, one.way.url) for one in found if one.way]
    assert (True, f"/senders/{content.sender_id}/") in ways
    assert (False, "/senders/receiving/") in ways
