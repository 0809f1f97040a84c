"""Registrations of senders: what is needed where, the state that follows, and the record of it."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from campaigns import registering
from campaigns.models import Registration, RegistrationChange, Sender
from campaigns.registering import CannotAsk, requirements
from contacts.channels import Channel
from tests import factories

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 4)  # of the fixture `now`
Kind, State = Registration.Kind, Registration.State


@pytest.fixture
def admin():
    return factories.user("admin")


def new_sender(value="+12125550142", channel=Channel.SMS):
    return factories.sender(channel, value=value, state=Sender.State.NOT_REGISTERED)


def put(sender, kind, state, now, country="US", by=None, **fields):
    return registering.change(
        sender, Registration(kind=kind, country=country, state=state, **fields), by, now
    )


@pytest.mark.parametrize(
    ("channel", "value", "country", "needs"),
    [
        ("sms", "+12125550142", "US", {("brand_10dlc", "must"), ("campaign_10dlc", "must")}),
        ("sms", "+12125550142", "GB", set()),
        ("mms", "+18885550142", "CA", {("toll_free", "must")}),
        ("sms", "20100", "GB", {("short_code", "must")}),
        ("sms", "Clinic", "GB", {("sender_id", "some")}),
        ("voice", "+12125550142", "US", {("stir_shaken", "should")}),
        ("email", "a@example.com", "", {("spf", "should"), ("dkim", "should"), ("dmarc", "should")}),
    ],
)
def test_what_a_sender_needs_is_read_from_the_table(channel, value, country, needs):
    assert {(one.kind.value, one.demand) for one in requirements(channel, value, country)} == needs


def test_a_new_sender_of_texts_is_not_approved_and_one_of_mail_needs_nothing(admin, now):
    text, mail = new_sender(), new_sender("a@example.com", Channel.EMAIL)

    registering.begin(text, admin, now)
    registering.begin(mail, admin, now)

    assert (text.state, mail.state) == ("not_registered", "not_needed")
    assert set(text.registrations.values_list("kind", "state")) == {
        ("brand_10dlc", "needed"),
        ("campaign_10dlc", "needed"),
    }


@pytest.mark.parametrize(
    ("brand", "campaign", "state"),
    [
        (State.APPROVED, State.NEEDED, Sender.State.NOT_REGISTERED),
        (State.APPROVED, State.SUBMITTED, Sender.State.IN_REVIEW),
        (State.APPROVED, State.REJECTED, Sender.State.ACTION_REQUIRED),
        (State.EXPIRED, State.SUBMITTED, Sender.State.EXPIRED),
        (State.APPROVED, State.APPROVED, Sender.State.APPROVED),
        (State.NOT_NEEDED, State.APPROVED, Sender.State.APPROVED),
    ],
)
def test_the_state_follows_from_the_worst_of_what_it_must_have(now, brand, campaign, state):
    sender = new_sender()

    put(sender, Kind.BRAND, brand, now)
    put(sender, Kind.CAMPAIGN, campaign, now)
    put(sender, Kind.CARRIER, State.REJECTED, now, carrier="AT&T")  # nothing that it must have

    sender.refresh_from_db()
    assert sender.state == state


def test_a_name_may_send_once_something_is_said_of_a_country(now):
    sender = new_sender("Clinic")
    assert registering.verdict(sender, [], TODAY).state == Sender.State.NOT_REGISTERED

    put(sender, Kind.SENDER_ID, State.NOT_NEEDED, now, country="GB")

    assert sender.may_send
    lines = registering.in_country(sender, list(sender.registrations.all()), "DE", TODAY)
    assert [line.is_lacking for line in lines] == [True]


def test_each_change_stays_on_record_and_saying_the_same_again_is_none(admin, now):
    sender = new_sender()

    put(sender, Kind.BRAND, State.SUBMITTED, now, by=admin, reference="B1")
    put(sender, Kind.BRAND, State.SUBMITTED, now, by=admin, reference="B1")
    put(sender, Kind.BRAND, State.APPROVED, now, by=admin, reference="B1")

    of_it = RegistrationChange.objects.filter(registration__kind=Kind.BRAND).order_by("pk")
    assert [(one.state_before, one.state, one.by) for one in of_it] == [
        ("", "submitted", admin),
        ("submitted", "approved", admin),
    ]


def test_what_an_administrator_sets_with_a_reason_stays_until_it_is_taken_back(admin, now):
    sender = new_sender()

    registering.set_state(sender, Sender.State.SUSPENDED, "Complaints", admin, now)
    put(sender, Kind.BRAND, State.APPROVED, now)
    put(sender, Kind.CAMPAIGN, State.APPROVED, now)
    sender.refresh_from_db()
    held = sender.state
    registering.set_state(sender, "", "", admin, now)

    assert (held, sender.state, sender.state_reason) == ("suspended", "approved", "")
    assert [one.note for one in sender.registration_changes.filter(registration=None)][-1] == "Complaints"


def test_an_approval_that_runs_out_stops_its_sender_and_is_announced_a_month_before(now):
    sender = new_sender()
    put(sender, Kind.BRAND, State.APPROVED, now)
    put(sender, Kind.CAMPAIGN, State.APPROVED, now, expires_on=TODAY + timedelta(days=30))
    rows = list(sender.registrations.all())

    warned = [row.kind for row in registering.ends_soon(rows, TODAY)]
    on_its_last_day = registering.expire(now + timedelta(days=30))
    stopped = registering.expire(now + timedelta(days=31))

    sender.refresh_from_db()
    assert warned == ["campaign_10dlc"]
    assert registering.ends_soon(rows, TODAY - timedelta(days=1)) == []
    assert (on_its_last_day, stopped) == ([], [sender])
    assert sender.state == Sender.State.EXPIRED
    assert registering.expire(now + timedelta(days=32)) == []


def test_asking_approves_nothing_and_what_is_approved_cannot_be_asked_for(now):
    sender, marketer = new_sender(), factories.user("marketer")
    put(sender, Kind.BRAND, State.APPROVED, now)
    brand, campaign = registering.checklist(sender, list(sender.registrations.all()), TODAY)

    registering.ask(sender, campaign, "Please", marketer, now)
    with pytest.raises(CannotAsk, match="is approved"):
        registering.ask(sender, brand, "", marketer, now)

    assert sender.state == Sender.State.IN_REVIEW
    assert sender.registrations.get(kind=Kind.CAMPAIGN).submitted_on == TODAY


def test_what_is_set_in_the_admin_is_set_with_a_reason(login):
    client = login(user=factories.user(is_staff=True, is_superuser=True))
    fields = {
        "name": "Texts",
        "channel": "sms",
        "value": "+12125550142",
        "state": "approved",
        "registered_as": "",
    }

    client.post("/admin/campaigns/sender/add/", fields)

    sender = Sender.objects.get()
    assert (sender.state, sender.state_reason) == ("approved", "Set in the admin.")
    change = sender.registration_changes.first()
    assert (change.state_before, change.state, change.by) == ("not_registered", "approved", client.user)


def test_senders_that_could_send_before_registrations_were_kept_go_on_doing_so():
    migration = importlib.import_module("campaigns.migrations.0024_registrations")
    text, new, mail = factories.sender(), new_sender(), factories.sender("email", state="not_needed")

    migration.keep_states(apps, SimpleNamespace(connection=connection))

    reasons = [Sender.objects.get(pk=one.pk).state_reason for one in (text, new, mail)]
    assert reasons == [migration.BEFORE, "", ""]
