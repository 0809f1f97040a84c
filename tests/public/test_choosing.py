"""The page on which people choose what they get: what it shows, what its buttons do, and whom it believes what."""

from __future__ import annotations

import re
from datetime import time, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client

from contacts import gate, preferring
from contacts.channels import KIND_OF, Channel
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.models import Address, Consent, Suppression
from contacts.suppressing import carry_over, release
from deliveries import links
from deliveries.deciding.stopping import stop_paths
from deliveries.models import Message, Outbox
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, person, sending, waiting

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
ALL = ["sms", "mms", "voice", "rvm", "email"]


class Reader:
    """Somebody who got a mail, and opens the page behind its link. Every act of theirs is an hour later."""

    def __init__(self, now, *channels):
        self.now = now
        self.contact = person(*(channels or ALL), at=now)
        self.message = waiting(
            sending("email"), factories.account(), now, self.contact, address=self.address("email")
        )
        dispatch(now, Fake())
        self.client = Client(enforce_csrf_checks=True)
        self.path = urlsplit(links.page(str(self.message.uuid))).path

    def address(self, kind):
        return Address.objects.get(contact=self.contact, kind=kind, preferred=True)

    def presses(self, wish):
        self.now += HOUR
        with time_machine.travel(self.now, tick=False):
            answer = self.client.post(f"{self.path}?choices", {"do": wish}, follow=True)
        assert answer.status_code == 200
        return answer.content.decode()

    @property
    def page(self):
        with time_machine.travel(self.now, tick=False):
            return self.client.get(f"{self.path}?choices").content.decode()

    @property
    def shown(self):
        return dict(re.findall(r'<h2 id="sort-(\w+)">[^<]+: (on|off)</h2>', self.page))

    @property
    def gets(self):
        """The channels on which the gate lets something pass."""
        asks = [
            gate.Ask(
                n, self.contact.pk, self.address(KIND_OF[Channel(one)]).pk, one, "news", time(0), time(23, 59),
                "sending", "approved", None,
            )
            for n, one in enumerate(ALL)
        ]  # fmt: skip
        verdicts = gate.check(asks, self.now + timedelta(seconds=1))
        return [one for n, one in enumerate(ALL) if verdicts[n].allowed]


def test_each_sort_is_shown_as_the_gate_sees_it(now):
    reader = Reader(now, "sms", "email", "voice")
    record_opt_out(value=reader.address("phone").value, channel="sms", how="Reply", evidence="STOP", at=now)

    assert reader.shown == {"sms": "off", "voice": "off", "email": "on"}
    assert reader.address("phone").value not in reader.page
    assert reader.contact.name not in reader.page
    assert "<script" not in reader.page


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        ("off sms", ["voice", "rvm", "email"]),
        ("off voice", ["sms", "mms", "email"]),
        ("off email", ["sms", "mms", "voice", "rvm"]),
        ("stop", []),
    ],
)
def test_off_is_off_and_nothing_else_is(now, wish, left):
    reader = Reader(now)
    assert reader.gets == ALL

    assert "Saved" in reader.presses(wish)

    assert reader.gets == left
    assert [sort for sort, state in reader.shown.items() if state == "on"] == [
        one for one in left if one in reader.shown
    ]
    assert {block.origin for block in Suppression.objects.all()} == {"recipient"}
    assert Consent.objects.filter(opted_in=False).exclude(evidence__startswith="Link in message").count() == 0


@pytest.mark.parametrize("sort", ["sms", "voice", "email"])
def test_on_again_is_their_own_new_consent_with_the_words_they_agreed_to(now, sort):
    reader = Reader(now)
    reader.presses(f"off {sort}")

    reader.presses(f"on {sort}")

    assert reader.gets == ALL
    made = Consent.objects.filter(channel=sort, opted_in=True).latest("pk")
    assert (made.origin, made.how) == ("recipient", "Preference page")
    assert made.wording == next(one.wording for one in preferring.SORTS if one.channel == sort)
    assert made.evidence == f"Link in message {reader.message.pk}, chosen on the page"


def test_after_everything_was_stopped_each_comes_back_alone(now):
    reader = Reader(now)
    reader.presses("stop")

    reader.presses("on sms")
    assert reader.gets == ["sms", "mms"]
    reader.presses("on email")
    assert reader.gets == ["sms", "mms", "email"]
    reader.presses("on voice")
    assert reader.gets == ALL


def test_what_somebody_never_agreed_to_they_can_turn_on(now):
    reader = Reader(now, "email")
    factories.phone(reader.contact)
    assert reader.shown == {"sms": "off", "voice": "off", "email": "on"}

    reader.presses("on sms")

    assert reader.gets == ["sms", "mms", "email"]


def test_pressed_twice_it_counts_once(now):
    reader = Reader(now)
    for wish in ("off sms", "stop"):
        reader.presses(wish)
        before = Suppression.objects.count(), Consent.objects.count()
        reader.presses(wish)
        assert (Suppression.objects.count(), Consent.objects.count()) == before


def test_what_waits_is_withdrawn(now):
    reader = Reader(now)
    phone = reader.address("phone")
    text = waiting(sending("sms"), factories.account(), now, reader.contact, address=phone)

    reader.presses("off sms")

    text.refresh_from_db()
    assert text.status == "canceled"
    assert not Outbox.objects.exists()


def test_what_stays_off_while_something_else_is_turned_on_is_written_down_as_that(now):
    reader = Reader(now)
    record_request(contact=reader.contact, evidence="Called us", by=None, now=now)
    for channel in ("voice", "rvm"):
        Consent.objects.create(
            contact=reader.contact, channel=channel, opted_in=True, at=now + HOUR / 2, how="Web form"
        )

    reader.presses("off email")
    reader.presses("on email")

    assert reader.gets == ["email"]
    noes = Consent.objects.filter(contact=reader.contact, opted_in=False, how__startswith=preferring.KEPT_OFF)
    assert set(noes.values_list("channel", "how")) == {
        (one, "Kept off when email was turned on") for one in ("voice", "rvm")
    }
    assert all(one.evidence.endswith("; kept off when email was turned on") for one in noes)


def test_who_ended_everything_reads_so_and_is_not_asked_again(now):
    reader = Reader(now)
    assert "Stop everything" in reader.page

    after = reader.presses("stop")

    assert "You ended everything: we send you nothing" in after
    assert "Stop everything" not in after
    reader.presses("on email")
    assert "You ended everything" not in reader.page
    assert "Stop everything" in reader.page


# ---- Whom it believes what -------------------------------------------------------------------------------------


def test_a_stop_from_the_number_is_taken_back_from_there_alone(now):
    """Whoever reads the mail may be another one than who answers the phone."""
    reader = Reader(now)
    value = reader.address("phone").value
    record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now)
    stop_paths([value], now)

    for wish in ("on sms", "on voice", "on mms", "stop", "on sms", "on voice"):
        reader.presses(wish)
    assert reader.gets == []
    assert "You ended this with that number. To get it again, first answer START" in reader.page

    record_opt_in(value=value, channel="sms", how="Reply", evidence="START", at=reader.now + HOUR)
    reader.now += 2 * HOUR
    reader.presses("on sms")
    assert reader.gets == ["sms", "mms"]


def test_a_stop_that_followed_to_a_new_number_is_not_lifted_either(now):
    reader = Reader(now)
    value = reader.address("phone").value
    record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now)
    new = factories.phone(reader.contact, preferred=False)
    carry_over([new], now)
    Address.objects.filter(value=value).update(preferred=False)
    Address.objects.filter(pk=new.pk).update(preferred=True)

    reader.presses("on sms")

    assert "sms" not in reader.gets
    assert "You ended this with your earlier number, and it holds for this one too." in reader.page


def test_a_stop_from_a_number_that_was_replaced_is_not_lifted_either(now):
    reader = Reader(now)
    old = reader.address("phone")
    Address.objects.filter(pk=old.pk).update(preferred=False)
    factories.phone(reader.contact)
    record_opt_out(value=old.value, channel="sms", how="Reply", evidence="STOP", at=now)

    reader.presses("on sms")

    assert reader.gets == ALL
    assert Suppression.objects.in_force(reader.now).filter(value=old.value).exists()


def test_what_a_colleague_took_down_for_the_person_they_can_lift_themselves(now):
    reader = Reader(now)
    record_request(contact=reader.contact, channel="sms", evidence="Called us", by=None, now=now)

    reader.presses("on sms")

    assert reader.gets == ALL


def test_a_complaint_is_not_lifted(now):
    reader = Reader(now)
    value = reader.address("email").value
    record_opt_out(
        value=value,
        channel="email",
        how="Complaint",
        evidence="",
        at=now,
        reason=Suppression.Reason.COMPLAINT,
    )

    assert "Nothing was changed" in reader.presses("on email")

    assert "email" not in reader.gets
    assert "reported as spam" in reader.page


def test_a_number_that_others_have_stays_blocked(now):
    reader = Reader(now)
    spouse = factories.phone(value=reader.address("phone").value)
    reader.presses("off sms")

    assert "somebody else who uses this number" in reader.presses("on sms")

    assert "sms" not in reader.gets
    assert reader.shown["sms"] == "off"
    assert Suppression.objects.in_force(now).filter(value=spouse.value).exists()


def test_staff_cannot_lift_what_was_chosen(now, make_user):
    reader = Reader(now)
    reader.presses("stop")

    for block in Suppression.objects.in_force(now):
        with pytest.raises(Exception, match="asked for by the person"):
            release(block, by=make_user("admin"), note="x", now=reader.now)


def test_an_address_that_was_replaced_speaks_for_nobody(now):
    reader = Reader(now)
    Address.objects.filter(pk=reader.message.address_id).update(preferred=False)

    with time_machine.travel(now, tick=False):
        answers = [
            reader.client.get(f"{reader.path}?choices"),
            reader.client.post(f"{reader.path}?choices", {"do": "stop"}),
            reader.client.get("/u/AAAA?choices"),
            reader.client.post("/u/AAAA?choices", {"do": "stop"}),
        ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert not Suppression.objects.exists()


def test_turning_on_has_a_limit_and_turning_off_has_none(now):
    reader = Reader(now)
    begun = reader.now
    for _ in range(preferring.MOST_A_DAY):
        reader.presses("off sms")
        reader.presses("on sms")
    reader.now = begun + 20.5 * HOUR
    reader.presses("off sms")

    assert "try again tomorrow" in reader.presses("on sms")
    assert reader.gets == ["voice", "rvm", "email"]


@pytest.mark.parametrize(
    "wish", ["", "on", "off", "off rvm", "on mms", "off fax", "stop all", "\x00", "on sms email"]
)
def test_what_no_button_says_changes_nothing(now, wish):
    reader = Reader(now)

    assert "Nothing was changed" in reader.presses(wish)

    assert reader.gets == ALL


def test_the_page_costs_a_fixed_number_of_queries(now, django_assert_max_num_queries):
    few, many = Reader(now), Reader(now)
    for n in range(5):
        record_request(contact=many.contact, channel="voice", evidence=f"Call {n}", by=None, now=now)
    for reader in (few, many):
        with django_assert_max_num_queries(6):
            assert reader.page


def test_no_cookie_is_needed_or_set(now):
    reader = Reader(now)

    reader.presses("off sms")

    assert not reader.client.cookies
    assert Message.objects.count() == 1
