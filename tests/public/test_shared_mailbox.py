"""Several people who share a mailbox: each speaks by their own links for nobody but themselves, but for a no."""

from __future__ import annotations

import pytest

from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out
from contacts.models import Suppression
from deliveries.deciding.erasing import erase_person
from deliveries.models import Outbox
from deliveries.receiving.unsubscribing import ON_PAGE, message_of, unsubscribe
from tests import factories
from tests.engine import consent, sending, waiting
from tests.public.test_choosing import HOUR, Reader

pytestmark = pytest.mark.django_db


@pytest.fixture
def couple(now):
    """Two readers with one mailbox, each with a mail of their own."""
    one, other = Reader(now), Reader(now)
    mailbox = other.address("email")
    mailbox.value = one.address("email").value.upper()
    mailbox.save()
    return one, other


def mailed(*readers):
    return ["email" in one.gets for one in readers]


def said(reader):
    latest = latest_consents([reader.contact.pk]).get((reader.contact.pk, "email"))
    return latest and latest.opted_in


@pytest.mark.parametrize("wish", ["off email", "stop"])
def test_off_holds_for_the_mailbox_and_on_again_for_whoever_turned_it_on(couple, wish):
    one, other = couple
    one.presses(wish)
    assert mailed(one, other) == [False, False]

    assert "Saved. It holds" in one.presses("on email")

    assert mailed(one, other) == [True, False]
    assert (said(one), said(other)) == (True, False)


def test_whoever_said_nothing_yet_is_not_opted_in(now, couple):
    one, _ = couple
    one.presses("off email")
    third = factories.email(value=one.address("email").value)

    one.presses("on email")

    assert not latest_consents([third.contact_id])


def test_the_no_of_the_other_stays_in_the_way(couple):
    one, other = couple
    other.presses("off email")
    one.presses("off email")
    one.now = other.now + HOUR

    assert "somebody else who uses this number or address" in one.presses("on email")
    assert mailed(one, other) == [False, False]

    other.now = one.now
    other.presses("on email")
    assert mailed(one, other) == [True, True]


def test_a_no_of_whom_nobody_can_tell_stays_in_the_way(now, couple):
    one, other = couple
    value = one.address("email").value
    record_opt_out(value=value, channel="email", how="Reply", evidence="unsubscribe", at=now)

    one.presses("on email")

    assert mailed(one, other) == [False, False]


# ---- Once one of them is erased --------------------------------------------------------------------------------


@pytest.fixture
def erased(couple, make_user):
    """The other one is erased; what they were sent still has its link."""
    _, other = couple
    assert erase_person(other.contact.pk, by=make_user("admin"), reason="Asked by letter", now=other.now)
    return other


def test_the_no_of_somebody_erased_reaches_whoever_has_the_mailbox(couple, erased):
    one, later = couple[0], couple[0].now + HOUR
    text = waiting(sending("email"), factories.account(), one.now, one.contact, address=one.address("email"))

    unsubscribe(message_of(str(erased.message.uuid)), later, ON_PAGE)

    one.now = later
    assert mailed(one) == [False]
    assert said(one) is False
    text.refresh_from_db()
    assert text.status == "canceled"
    assert not Outbox.objects.exists()
    assert Suppression.objects.in_force(later).filter(value=one.address("email").value).exists()


@pytest.mark.parametrize("key", ["now", "former"])
def test_it_reaches_whoever_came_to_the_mailbox_since_in_any_spelling(couple, erased, settings, key):
    one = couple[0]
    value = one.address("email").value
    if key == "former":
        settings.FORMER_CREDENTIALS_KEYS = [settings.CREDENTIALS_KEY]
        settings.CREDENTIALS_KEY = "another secret, as long as it has to be"
    late = factories.email(value=value.title())
    consent(late.contact, "email", at=one.now)

    unsubscribe(message_of(str(erased.message.uuid)), one.now + HOUR, ON_PAGE)

    assert latest_consents([late.contact_id])[late.contact_id, "email"].opted_in is False
    assert Suppression.objects.in_force(one.now + HOUR).filter(match_key=late.match_key).exists()


def test_it_reaches_nobody_else(couple, erased, now):
    stranger, number = factories.email(), factories.phone()
    consent(stranger.contact, "email", at=now)

    unsubscribe(message_of(str(erased.message.uuid)), now + HOUR, ON_PAGE)

    assert latest_consents([stranger.contact_id])[stranger.contact_id, "email"].opted_in
    assert not Suppression.objects.filter(match_key__in=[stranger.match_key, number.match_key]).exists()


def test_clicked_again_it_changes_nothing_and_looks_for_nobody(
    couple, erased, now, django_assert_max_num_queries
):
    message = message_of(str(erased.message.uuid))
    unsubscribe(message, now + HOUR, ON_PAGE)
    before = Suppression.objects.count()

    with django_assert_max_num_queries(3):
        unsubscribe(message, now + 2 * HOUR, ON_PAGE)

    assert Suppression.objects.count() == before


def test_of_two_spellings_both_name_the_mailbox(now, make_user):
    reader = Reader(now, "email")
    value = reader.address("email").value
    second = factories.email(reader.contact, value=value.upper(), preferred=False)
    holder = factories.email(value=value)
    reader.message.address = second
    reader.message.save(update_fields=["address"])
    assert erase_person(reader.contact.pk, by=make_user("admin"), reason="Asked", now=now)

    unsubscribe(message_of(str(reader.message.uuid)), now + HOUR, ON_PAGE)

    assert Suppression.objects.in_force(now + HOUR).filter(match_key=holder.match_key).exists()
