"""Merging two contacts that are one person."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts import duplicates
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out, record_request
from contacts.models import Address, AddressHealth, AutomaticAnswer, Consent, Contact, Note, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.duplicates import CannotMerge, in_both, merge
from deliveries.deciding.erasing import erase_person
from deliveries.models import Decision, Engagement, FailureIndex, Message, Outbox, QueueEntry
from deliveries.outcomes.reachability import side_panel
from deliveries.statuses import Status
from tests import factories

pytestmark = pytest.mark.django_db
NUMBER = "+12125550142"


@pytest.fixture
def by():
    return factories.user("support")


@pytest.fixture
def two():
    """Ada twice: with one number, and each with something of their own."""
    kept, gone = factories.contact(name="Ada"), factories.contact(name="Ada Lovelace", external_id="CRM-2")
    factories.phone(kept, value=NUMBER)
    factories.phone(gone, value=NUMBER)
    factories.email(gone, value="ada@example.com")
    return kept, gone


def says(contact, channel, opted_in, days=0, origin="recipient"):
    at = timezone.now() - timedelta(days=days)
    Consent.objects.create(
        contact=contact, channel=channel, opted_in=opted_in, at=at, how="Form", origin=origin
    )


def queued(recipient):
    address = recipient.contact.addresses.get(kind="phone")
    made = factories.message(recipient, address=address, status=Status.QUEUED)
    lane = {"campaign_id": made.campaign_id, "account_id": made.account_id, "sender_id": made.sender_id}
    Outbox.objects.create(message=made, due_at=made.due_at, **lane)
    return made


def merged(two, by):
    kept, gone = two
    return merge(kept.pk, gone.pk, by=by, now=timezone.now())


def test_what_was_answered_at_an_address_that_both_had_stays_on_record(two, by):
    kept, gone = two
    AutomaticAnswer.objects.create(
        address=gone.addresses.get(kind="phone"), match_key=NUMBER, kind="stop", fact="opt-out 1", channel="sms",
        account_id=1, text="Bye",
    )  # fmt: skip

    merged(two, by)

    assert AutomaticAnswer.objects.get().address.contact == kept


def test_whoever_was_erased_is_merged_with_nobody(by):
    """The block that stands for erasing would silence the one that stays."""
    gone = factories.phone(value=NUMBER).contact
    assert erase_person(gone.pk, by=by, reason="Asked", now=timezone.now())
    again = factories.phone(value=NUMBER).contact
    assert erase_person(again.pk, by=by, reason="Asked", now=timezone.now())

    with pytest.raises(CannotMerge, match="no contact any more"):
        merge(factories.contact().pk, gone.pk, by=by, now=timezone.now())

    assert duplicates.candidates(None).groups == []


def test_the_one_that_stays_has_all_that_was_the_other_s(two, by):
    kept, gone = two
    clinic, web = factories.contact_list(), factories.contact_list()
    for one, those in ((kept, [clinic]), (gone, [clinic, web])):
        one.lists.set(those)
    Note.objects.create(contact=gone, text="Likes tea")
    says(gone, "email", True)
    message = factories.message(factories.recipient(contact=gone), address=gone.addresses.get(kind="phone"))

    merged(two, by)

    kept.refresh_from_db()
    gone.refresh_from_db()
    message.refresh_from_db()
    assert (kept.name, kept.external_id) == ("Ada", "CRM-2")
    assert sorted(kept.addresses.values_list("value", flat=True)) == [NUMBER, "ada@example.com"]
    assert set(kept.lists.all()) == {clinic, web}
    assert "Likes tea" in [one.text for one in kept.notes.all()]
    assert latest_consents([kept.pk])[kept.pk, "email"].opted_in
    assert (message.contact, message.address) == (kept, kept.addresses.get(kind="phone"))
    assert message.recipient.contact == kept
    assert (gone.name, gone.external_id, gone.merged_into) == ("", "", kept)
    assert not gone.addresses.exists()
    assert any("“Ada Lovelace”, customer ID CRM-2" in one.text for one in kept.notes.all())


IN, OUT = True, False


@pytest.mark.parametrize(
    ("own", "theirs", "expected"),
    [
        ([(IN, 5)], [(IN, 2)], IN),
        ([(IN, 5)], [(OUT, 2)], OUT),
        ([(OUT, 5)], [(IN, 2)], OUT),  # the later yes is somebody's who did not know of the no
        ([(IN, 2)], [(OUT, 5)], OUT),
        ([], [(OUT, 2)], OUT),
        ([(OUT, 2)], [], OUT),
        ([(IN, 2)], [], IN),
        ([(OUT, 5), (IN, 3)], [], IN),
        ([(OUT, 5), (IN, 3)], [(IN, 1)], IN),
        ([(OUT, 5), (IN, 3)], [(OUT, 4)], OUT),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "mms", "voice", "email"])
def test_the_stricter_consent_wins_and_both_histories_stay(two, by, own, theirs, expected, channel):
    kept, gone = two
    for contact, words in ((kept, own), (gone, theirs)):
        for opted_in, days in words:
            says(contact, channel, opted_in, days)
    foretold = {one.channel: one.merged for one in duplicates.words(kept.pk, gone.pk)}[channel]

    merged(two, by)

    now = latest_consents([kept.pk])[kept.pk, channel]
    assert now.opted_in is expected is foretold.opted_in
    assert kept.consents.filter(how="Form").count() == len(own) + len(theirs)


def test_what_either_asked_to_stop_holds_at_every_address_of_its_kind(two, by):
    kept, gone = two
    factories.phone(gone, value="+12125550143", preferred=False)
    record_opt_out(value="+12125550143", channel="sms", how="Reply", evidence="STOP", at=timezone.now())

    merged(two, by)

    now = timezone.now()
    assert {one.value for one in Suppression.objects.in_force(now)} == {NUMBER, "+12125550143"}
    assert {"sms", "mms"} <= {one.channel for one in side_panel(kept, now).off}


@pytest.mark.parametrize("whose", [0, 1])
@pytest.mark.parametrize("asked", [True, False])
def test_a_block_of_the_whole_person_holds_for_the_one_that_stays(two, by, whose, asked):
    now = timezone.now()
    if asked:
        record_request(contact=two[whose], evidence="By phone", by=by, now=now)
    else:
        suppress(contact=two[whose], reason="staff", origin="staff", evidence="Rude", by=by, now=now)

    kept = merged(two, by)

    assert not side_panel(kept, now).allowed
    assert {one.value for one in Suppression.objects.in_force(now)} >= {NUMBER, "ada@example.com"}


def test_what_is_known_against_an_address_that_both_have_counts(two, by):
    kept, gone = two
    Address.objects.filter(contact=gone, kind="phone").update(validity="needs_correction")
    AddressHealth.objects.create(
        address=gone.addresses.get(kind="phone"), channel="sms", marked_at=timezone.now()
    )

    merged(two, by)

    phone = kept.addresses.get(kind="phone")
    assert phone.validity == "needs_correction"
    assert phone.health.get(channel="sms").marked_at


def test_failures_are_counted_over_both_histories(two, by):
    kept, gone = two
    now = timezone.now()
    for n, contact in enumerate((kept, gone, gone)):
        factories.message(
            factories.recipient(contact=contact), address=contact.addresses.get(kind="phone"), status="undelivered",
            failure_class="permanent", fault="recipient", settled_at=now - timedelta(days=3 - n), reason_code="X",
        )  # fmt: skip

    merged(two, by)

    assert kept.addresses.get(kind="phone").health.get(channel="sms").hard_fails == 3


def test_a_campaign_that_meant_both_goes_on_for_one_of_them_only(two, by):
    kept, gone = two
    campaign = factories.campaign(state=Campaign.State.SENDING)
    own, theirs = (factories.recipient(campaign, one, state="open") for one in two)
    waiting = {one.pk: queued(one) for one in (own, theirs)}

    merged(two, by)

    own.refresh_from_db()
    theirs.refresh_from_db()
    assert (own.contact, own.automatic) == (kept, True)
    assert (theirs.contact, theirs.automatic) == (gone, False)
    assert Message.objects.get(pk=waiting[theirs.pk].pk).canceled_at
    assert not Message.objects.get(pk=waiting[own.pk].pk).canceled_at
    assert {one.contact for one in Message.objects.all()} == {kept}


def test_whoever_was_reached_as_the_other_is_not_written_to_again(two, by):
    kept, gone = two
    campaign = factories.campaign(state=Campaign.State.SENDING)
    own = factories.recipient(campaign, kept, state="open")
    factories.recipient(campaign, gone, state="reached", reached_at=timezone.now(), reached_by="sms")
    made = queued(own)

    merged(two, by)

    own.refresh_from_db()
    made.refresh_from_db()
    assert not own.automatic
    assert made.canceled_at


def test_what_one_of_them_wrote_from_a_shared_number_stands_once(two, by):
    kept, gone = two
    for contact in two:
        Engagement.objects.create(
            contact=contact, receipt_id=7, place=0, channel="sms", kind="reply", at=timezone.now()
        )
    Engagement.objects.create(contact=gone, receipt_id=8, channel="sms", kind="reply", at=timezone.now())

    merged(two, by)

    assert sorted(kept.engagements.values_list("receipt_id", flat=True)) == [7, 8]
    assert not gone.engagements.exists()


def test_the_tables_beside_the_messages_name_the_one_that_stays(two, by):
    gone = two[1]
    made = factories.message(
        factories.recipient(contact=gone), address=gone.addresses.get(kind="phone"), status="undelivered",
        failure_class="permanent", fault="recipient", reason_code="X",
    )  # fmt: skip
    entry = factories.queue_entry(made, "correct")
    FailureIndex.objects.create(
        message=made, at=made.updated_at, **{name: getattr(entry, name) for name in factories.COPIED}
    )

    merged(two, by)

    for model in (FailureIndex, QueueEntry, Decision):
        assert not model.objects.filter(contact_id=gone.pk).exists(), model


@pytest.mark.parametrize("why", ["same", "gone", "again", "launching"])
def test_what_cannot_be_merged_stays_as_it_is(two, by, why):
    kept, gone = two
    now, ids = timezone.now(), (kept.pk, gone.pk)
    if why == "same":
        ids = (kept.pk, kept.pk)
    elif why == "gone":
        ids = (kept.pk, 999_999)
    elif why == "again":
        merge(*ids, by=by, now=now)
    else:
        clinic = factories.contact_list()
        gone.lists.add(clinic)
        factories.campaign(state=Campaign.State.LAUNCHING, lists=[clinic])
    notes = Note.objects.count()

    with pytest.raises(CannotMerge):
        merge(*ids, by=by, now=now)

    assert Note.objects.count() == notes


def test_merging_leads_on_to_the_last_that_stays(two, by):
    kept, gone = two
    third = factories.contact()
    merged(two, by)
    merge(third.pk, kept.pk, by=by, now=timezone.now())

    assert set(Contact.objects.filter(merged_into=third)) == {kept, gone}


def test_an_error_on_the_way_leaves_nothing_half_done(two, by, monkeypatch):
    gone = two[1]
    monkeypatch.setattr(duplicates, "_fill_in", lambda *given: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        merged(two, by)

    assert gone.addresses.count() == 2
    assert Contact.objects.filter(merged_into=None).count() == 2


# What names a contact, and what merging does about it. A table that is new here needs its line in
# `contacts/duplicates.py` or `deliveries/deciding/duplicates.py`.
KNOWN = {
    "contacts.Address", "contacts.AddressChange", "contacts.Consent", "contacts.Contact", "contacts.ImportedContact",
    "contacts.ListMembership", "contacts.Note",
    "contacts.Suppression", "campaigns.Recipient", "deliveries.Message", "deliveries.Engagement", "deliveries.Decision",
    "deliveries.FailureIndex", "deliveries.QueueEntry",
}  # fmt: skip


def test_merging_knows_every_table_that_names_a_contact():
    naming = set()
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.related_model is Contact or field.attname == "contact_id":
                naming.add(model._meta.label)

    assert naming == KNOWN


def test_in_both_names_the_campaigns_that_meant_both(two, by):
    kept, gone = two
    campaign = factories.campaign(state=Campaign.State.SENDING)
    for one in two:
        factories.recipient(campaign, one)
    factories.recipient(contact=gone)

    assert [one.campaign for one in in_both(kept, gone)] == [campaign]
    assert Recipient.objects.count() == 3
