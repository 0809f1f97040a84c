"""Adding, uploading and releasing: who may, what it says before, and that nothing makes a strong one weak."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out
from contacts.models import Consent, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.duplicates import merge
from deliveries.models import Message, Outbox, RecipientTally
from tests import factories

pytestmark = pytest.mark.django_db
NUMBER = "+12125550142"
ROLES = ("marketer", "support", "admin")


def words(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def in_force(value=NUMBER):
    return Suppression.objects.in_force(timezone.now()).filter(value=value)


# ---- Adding ----------------------------------------------------------------------------------------------------


def add(client, whom=NUMBER, **fields):
    given = {"whom": whom, "channel": "", "reason": "staff", "note": "Wrote a letter", "_zone": "UTC"}
    return client.post("/suppressions/add/", given | fields, follow=True)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("reason", "origin"),
    [
        ("asked", "recipient"),
        ("staff", "staff"),
        ("legal", "staff"),
        ("register", "staff"),
        ("litigator", "staff"),
    ],
)
def test_an_address_in_any_form_is_blocked_for_any_reason(login, role, reason, origin):
    client = login(role)

    page = words(add(client, "(212) 555-0142", reason=reason))

    row = in_force().get()
    assert (row.reason, row.origin, row.created_by) == (reason, origin, client.user)
    assert "Suppressed. Nothing more is sent there." in page


def test_a_person_is_blocked_as_a_whole_by_their_number_and_opted_out_where_they_asked(login):
    address = factories.phone(value=NUMBER, contact=factories.contact(external_id="C-17"))

    add(login("support"), f"#{address.contact_id}", reason="asked")

    assert Suppression.objects.get(value="").contact == address.contact
    assert in_force().exists()
    assert not latest_consents([address.contact_id])[address.contact_id, "sms"].opted_in


@pytest.mark.parametrize("reason", ["asked", "legal"])
def test_a_person_named_by_the_number_of_a_contact_that_was_merged_is_blocked(login, reason):
    address, gone = factories.phone(value=NUMBER), factories.contact()
    merge(address.contact_id, gone.pk, by=factories.user("support"), now=timezone.now())

    add(login("support"), f"#{gone.pk}", reason=reason)

    assert Suppression.objects.get(value="").contact == address.contact
    assert in_force().exists()


def test_a_person_is_named_by_the_customer_id(login):
    address = factories.phone(value=NUMBER, contact=factories.contact(external_id="C-17"))

    add(login("support"), "c-17")

    assert Suppression.objects.get(value="").contact == address.contact


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"whom": "12"}, "not a phone number"),
        ({"whom": "#99999999999999999999"}, "not a phone number"),
        ({"whom": ""}, "This field is required"),
        ({"note": " "}, "This field is required"),
        ({"reason": "stop"}, "not one of the available choices"),
        ({"channel": "email"}, "A phone number takes no email"),
        ({"reason": "legal", "until": "2030-01-01T09:00"}, "Choose a moment"),
        ({"until": "2020-01-01T09:00"}, "This is over already"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(login, fields, why):
    answer = add(login("support"), **fields)

    assert answer.status_code == 422
    assert why in words(answer)
    assert not Suppression.objects.exists()


def test_only_what_we_decided_ends_by_itself(login):
    until = (timezone.now() + timedelta(days=9)).strftime("%Y-%m-%dT09:00")

    refused = add(login("support"), reason="legal", until=until)
    add(login("support"), until=until)

    assert "Only what we decided ourselves ends by itself" in words(refused)
    assert in_force().get().expires_at.strftime("%Y-%m-%dT%H:%M") == until


def test_the_same_words_twice_are_kept_once_and_that_is_said(login):
    client = login("support")
    add(client)

    page = words(add(client))

    assert in_force().count() == 1
    assert "in force already, in your own words" in page


def test_whoever_may_only_look_adds_and_uploads_nothing(login, make_user):
    user = make_user()
    user.user_permissions.add(Permission.objects.get(codename="view_suppression"))
    client = login(user=user)

    assert "Add suppression" not in client.get("/suppressions/").content.decode()
    assert add(client).status_code == 403
    assert client.post("/suppressions/upload/").status_code == 403


# ---- Uploading -------------------------------------------------------------------------------------------------

LIST = b"phone,email\n(212) 555-0142,\n,Robin@Example.com\n12,\n+1 212 555 0142,\n"


def upload(client, content=LIST, **fields):
    file = SimpleUploadedFile("list.csv", content, "text/csv")
    given = {"file": file, "reason": "asked", "source": "Old system", "region": "us"}
    return client.post("/suppressions/upload/", given | fields)


@pytest.mark.parametrize("role", ROLES)
def test_a_list_blocks_and_says_what_became_of_each_line(login, role):
    suppress(value="robin@example.com", reason="asked", origin="recipient", now=timezone.now())

    page = words(upload(login(role)))

    assert "1 address is blocked." in page
    assert "1 blocked for that reason before, 1 named twice, 1 refused, of 4 lines." in page
    assert "in an earlier line as well" in page
    assert in_force().get().origin == "recipient"


def test_only_checked_nothing_is_saved(login):
    page = words(upload(login("support"), check="1"))

    assert "2 addresses would be blocked." in page
    assert not Suppression.objects.exists()


def test_a_list_releases_nothing_and_weakens_nothing(login):
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=timezone.now())

    upload(login("admin"), reason="hard_bounce")

    assert set(in_force().values_list("origin", flat=True)) == {"recipient", "import"}


def test_addresses_of_the_result_are_masked_where_the_role_sees_no_whole_ones(login):
    page = words(upload(login("marketer"), b"phone\n(212) 555-0142\n212-555-014x\n"))

    assert "555-0142" not in page
    assert "5550142" not in page


@pytest.mark.parametrize(
    ("content", "fields", "why"),
    [
        (b"name\nRobin\n", {}, "phone"),
        (b"\xff\xfe\x00\xd8", {}, ""),
        (b"phone\n", {"region": "??"}, "is no country"),
        (b"phone\n" + b"2125550142\n" * 30_000, {}, "larger than 250 KB"),
        (b"", {}, "empty"),
        (LIST, {"reason": "stop"}, "not one of the available choices"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(login, content, fields, why):
    answer = upload(login("support"), content, **fields)

    assert answer.status_code == 422
    assert why in words(answer)
    assert not Suppression.objects.exists()


# ---- Releasing -------------------------------------------------------------------------------------------------


def block(reason="staff", origin="staff", value=NUMBER, **fields):
    return suppress(
        value=value, reason=reason, origin=origin, now=timezone.now() - timedelta(days=1), **fields
    )


def lift(client, row, **fields):
    return client.post(f"/suppressions/{row.pk}/release/", {"note": "Settled", **fields}, follow=True)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("reason", "origin", "who"),
    [
        ("staff", "staff", ROLES),
        ("hard_bounce", "rule", ROLES),
        ("hard_fails", "rule", ROLES),
        ("imported", "import", ("admin",)),
        ("legal", "staff", ("admin",)),
        ("register", "import", ("admin",)),
        ("litigator", "staff", ("admin",)),
        ("asked", "recipient", ()),
        ("stop", "recipient", ()),
        ("complaint", "recipient", ()),
    ],
)
def test_who_may_release_what(login, role, reason, origin, who):
    row = block(reason, origin)
    client = login(role)

    offered = f"/suppressions/{row.pk}/release/" in client.get(f"/suppressions/{row.pk}/").content.decode()
    lift(client, row)

    row.refresh_from_db()
    assert offered is (role in who)
    assert bool(row.released_at) is (role in who)


def test_a_release_needs_a_reason_and_says_who_and_why(login):
    row, client = block(), login("support")

    refused = lift(client, row, note=" ")
    done = words(lift(client, row))

    row.refresh_from_db()
    assert refused.status_code == 422
    assert (row.released_by, row.release_note) == (client.user, "Settled")
    assert "Released." in done


def test_what_is_over_already_is_said_to_be(login):
    row = block()
    client = login("support")
    lift(client, row)

    assert "does not hold any more" in words(lift(client, row))


def test_a_weak_one_over_a_strong_one_is_released_alone(login):
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=timezone.now())
    client = login("support")
    add(client, note="To be released")
    mine = in_force().get(origin="staff")

    asked = words(client.get(f"/suppressions/{mine.pk}/release/"))
    lift(client, mine)

    assert "1 other suppression stays in force." in asked
    assert in_force().get().origin == "recipient"


def test_an_opt_out_leads_to_where_new_consent_is_recorded(login):
    address = factories.phone(value=NUMBER)
    row = suppress(contact=address.contact, reason="asked", origin="recipient", now=timezone.now())

    for role, may in (("admin", True), ("support", False)):
        page = words(login(role).get(f"/suppressions/{row.pk}/"))
        assert (f"/admin/contacts/consent/add/?contact={address.contact_id}&amp;opted_in=1" in page) is may
        assert ("An administrator records it, with evidence." in page) is not may


# ---- What a suppression held back ------------------------------------------------------------------------------


@pytest.fixture
def skipped():
    """Three people with the same number whom campaigns skipped for its block; the campaign of the third is over."""
    factories.account()
    row = block()
    made = []
    for state in ("sending", "sending", "completed"):
        campaign = factories.campaign(state=state, window_start="00:00", window_end="23:59:59")
        factories.content(campaign)
        person = factories.phone(value=NUMBER).contact
        Consent.objects.create(contact=person, channel="sms", opted_in=True, how="Web form")
        made.append(factories.recipient(campaign, person, state="skipped", skip_reason="suppressed"))
        RecipientTally.objects.create(campaign_id=campaign.pk, state="skipped", skip_reason="suppressed", n=1)
    return row, made


def test_before_a_release_it_says_what_would_be_let_go(login, skipped):
    row, made = skipped
    Consent.objects.create(contact=made[1].contact, channel="sms", opted_in=False, how="Web form")

    page = words(login("support").get(f"/suppressions/{row.pk}/release/"))

    assert "<strong>1 held message</strong> could be sent, 1 too old, 1 blocked by something else." in page
    assert made[0].campaign.name in page
    assert not Message.objects.exists()


def test_released_without_more_nothing_is_sent(login, skipped):
    row, _ = skipped

    lift(login("support"), row)

    assert not Message.objects.exists()
    assert not in_force().exists()


def test_what_was_held_back_is_sent_with_the_release_where_that_is_wanted(login, skipped):
    row, made = skipped

    page = words(lift(login("support"), row, send="on"))

    assert "Released. 2 messages on the way." in page
    assert set(Outbox.objects.values_list("campaign_id", flat=True)) == {one.campaign_id for one in made[:2]}
    states = dict(Recipient.objects.values_list("pk", "state"))
    assert [states[one.pk] for one in made] == ["planned", "planned", "skipped"]
    assert all("Settled" in one.cause_reason for one in Message.objects.all())
    tallies = RecipientTally.objects.filter(campaign_id=made[0].campaign_id).values_list("state", "n")
    assert dict(tallies) == {"skipped": 0, "planned": 1}


def test_twice_released_it_is_sent_once(login, skipped):
    row, _ = skipped
    client = login("support")
    lift(client, row, send="on")

    lift(client, row, send="on")

    assert Message.objects.count() == 2


def test_where_another_block_stands_nothing_of_it_is_sent(login, skipped):
    row, _ = skipped
    block(evidence="Another one")

    lift(login("support"), row, send="on")

    assert not Message.objects.exists()


def test_of_a_paused_campaign_it_waits_for_the_campaign(login, skipped):
    row, made = skipped
    Campaign.objects.filter(pk=made[0].campaign_id).update(state="paused")

    lift(login("support"), row, send="on")

    assert Message.objects.count() == 2


def test_looking_at_what_would_be_let_go_costs_the_same_for_many(
    login, skipped, django_assert_max_num_queries
):
    row, made = skipped
    for _ in range(20):
        person = factories.phone(value=NUMBER).contact
        factories.recipient(made[0].campaign, person, state="skipped", skip_reason="suppressed")
    client = login("support")

    with django_assert_max_num_queries(28):
        client.get(f"/suppressions/{row.pk}/release/")
