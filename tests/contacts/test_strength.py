"""The order of strength: who may lift which suppression, and that no path makes a strong one into a weak one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contacts.channels import Kind
from contacts.consenting import record_entered, record_opt_in, record_opt_out
from contacts.correcting import correct
from contacts.models import Address, Consent, Suppression
from contacts.strength import Lifter, liftable_by, lifter, may_lift
from contacts.suppressing import CannotRelease, release, release_each, suppress
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NUMBER = "+15125550142"
Reason, Origin = Suppression.Reason, Suppression.Origin
LEGAL = (Reason.LEGAL, Reason.REGISTER, Reason.LITIGATOR)


def block(reason, origin=Origin.STAFF, value=NUMBER, **fields):
    return suppress(value=value, reason=reason, origin=origin, now=NOW, **fields)


def in_force(value=NUMBER):
    return Suppression.objects.in_force(NOW + HOUR).filter(value=value)


@pytest.mark.parametrize(
    ("reason", "origin", "by"),
    [
        *((reason, Origin.RECIPIENT, Lifter.PERSON) for reason in Reason),
        *((reason, Origin.STAFF, Lifter.ADMINISTRATOR) for reason in LEGAL),
        (Reason.IMPORTED, Origin.IMPORT, Lifter.ADMINISTRATOR),
        (Reason.COMPLAINT, Origin.PROVIDER, Lifter.ADMINISTRATOR),
        (Reason.HARD_BOUNCE, Origin.RULE, Lifter.STAFF),
        (Reason.HARD_BOUNCE, Origin.IMPORT, Lifter.STAFF),
        (Reason.HARD_FAILS, Origin.RULE, Lifter.STAFF),
        (Reason.STAFF, Origin.STAFF, Lifter.STAFF),
    ],
)
def test_the_order_is_the_same_for_one_and_for_many(reason, origin, by):
    row = block(reason, origin)
    lifts = {
        Lifter.PERSON: [],
        Lifter.ADMINISTRATOR: ["admin"],
        Lifter.STAFF: ["admin", "support", "marketer"],
    }

    users = {role: factories.user(role) for role in ("admin", "support", "marketer")}

    assert lifter(row) == by
    assert [role for role, user in users.items() if may_lift(user, row)] == lifts[by]
    for user in users.values():
        assert Suppression.objects.filter(liftable_by(user)).exists() == may_lift(user, row)


def test_whoever_has_no_role_lifts_nothing():
    row = block(Reason.STAFF)

    with pytest.raises(CannotRelease, match="your role"):
        release(row, by=factories.user(), note="x", now=NOW)

    assert in_force().exists()


@pytest.mark.parametrize("reason", LEGAL)
@pytest.mark.parametrize("role", ["marketer", "support"])
def test_what_the_law_asks_for_is_lifted_by_administrators_only(reason, role):
    row = block(reason)
    with pytest.raises(CannotRelease):
        release(row, by=factories.user(role), note="We want to send", now=NOW)
    assert in_force().exists()

    release(row, by=factories.user("admin"), note="The order was lifted", now=NOW)

    assert not in_force().exists()


# ---- No path makes a strong one into a weak one ----------------------------------------------------------------


@pytest.mark.parametrize("strong", [*LEGAL, "opt-out"])
def test_an_entry_of_staff_over_it_lifts_nothing_of_it(strong):
    if strong == "opt-out":
        record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=NOW)
    else:
        block(strong)
    mine = block(Reason.STAFF, evidence="Mine to release", by=factories.user("support"))

    release(mine, by=factories.user("admin"), note="By mistake", now=NOW)

    assert in_force().exists()


@pytest.mark.parametrize("strong", LEGAL)
def test_undoing_a_bulk_action_lifts_only_what_staff_may(strong):
    row = block(strong, fact="batch 7")

    assert (
        release_each(Suppression.objects.all(), by=factories.user("admin"), note="Undone", now=NOW) == set()
    )

    assert in_force().get() == row


@pytest.mark.parametrize("strong", LEGAL)
def test_opting_in_lifts_nothing_that_the_law_asks_for(strong):
    factories.phone(value=NUMBER)
    block(strong)
    block(strong, Origin.RECIPIENT, fact="file 1")

    record_opt_in(value=NUMBER, channel="sms", how="Reply", evidence="START", at=NOW + HOUR)

    assert in_force().count() == 2


@pytest.mark.parametrize("strong", [Reason.LEGAL, Reason.LITIGATOR])
def test_a_new_number_of_the_same_person_is_blocked_as_well(strong):
    address = factories.phone(value=NUMBER)
    block(strong)

    correct(address.contact, phone="+15125550143", region="US", by=factories.user("support"))

    assert (
        Address.objects.get(contact=address.contact, kind=Kind.PHONE, preferred=True).value == "+15125550143"
    )
    assert in_force("+15125550143").get().reason == strong


def test_what_is_about_a_number_stays_with_the_number():
    address = factories.phone(value=NUMBER)
    block(Reason.REGISTER)

    correct(address.contact, phone="+15125550143", region="US", by=factories.user("support"))

    assert in_force().exists()
    assert not in_force("+15125550143").exists()


@pytest.mark.parametrize("strong", [Reason.LEGAL, "opt-out"])
def test_removing_the_contact_and_making_it_anew_lifts_nothing(strong):
    address = factories.phone(value=NUMBER)
    if strong == "opt-out":
        record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=NOW)
    else:
        suppress(contact=address.contact, reason=strong, origin=Origin.STAFF, now=NOW)
    address.contact.delete()

    factories.phone(value=NUMBER)

    assert in_force().exists()


def test_the_extension_of_a_strong_one_to_another_address_is_as_strong():
    address = factories.phone(value=NUMBER)
    suppress(contact=address.contact, reason=Reason.LEGAL, origin=Origin.STAFF, now=NOW)

    with pytest.raises(CannotRelease):
        release(in_force().get(), by=factories.user("support"), note="x", now=NOW)

    assert in_force().exists()


def test_a_yes_without_proof_lifts_no_opt_out():
    address = factories.phone(value=NUMBER)
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=NOW)
    yes = Consent(
        contact=address.contact, channel="sms", opted_in=True, at=NOW + HOUR, how="Phone", origin="staff"
    )

    yes.save()
    record_entered(yes)

    assert in_force().exists()
