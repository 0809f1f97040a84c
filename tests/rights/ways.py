"""What somebody could do, on purpose or not, after which a person who said no might be written to again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import time_machine
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from campaigns.models import Recipient
from contacts.adding import Agreed, add_person
from contacts.consenting import record_opt_in
from contacts.correcting import Details, correct
from contacts.import_undo import undo as undo_import
from contacts.importing import import_contacts
from contacts.models import Contact, ContactImport, Suppression
from contacts.suppressing import CannotRelease, release, release_each, suppress
from contacts.withdrawing import Mistaken, take_back_opt_outs, withdraw_opt_out
from deliveries import links
from deliveries.bulk import actions
from deliveries.bulk.selections import Selection
from deliveries.deciding.duplicates import merge
from deliveries.deciding.erasing import erase_person
from deliveries.deciding.held_back import held_back, send_held_back
from deliveries.deciding.staff import run_next_step_now
from deliveries.deciding.stopping import apply_blocking_list, apply_opt_outs
from deliveries.models import Batch, Engagement, Message, Outbox, StatusChange
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.providers.facts import SendResult
from deliveries.sending.dispatch import dispatch, recover
from deliveries.statuses import Disposition, FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import ABSENT, Fake, consent, person, report, sending, waiting, work
from tests.rights.person import CUSTOMER, EMAIL, EVERY, HOUR, NUMBER, Robin, Way, finish, import_file
from tests.rights.spellings import spelt

LINE = f"name,phone,email\nRobin Lee,{NUMBER},{EMAIL}\n"


# ---- Files ------------------------------------------------------------------------------------------------------


def a_file_that_says_they_agreed(robin: Robin) -> None:
    import_file(robin, LINE)


def a_file_without_their_details(robin: Robin) -> None:
    import_file(robin, LINE, fill_in=False)


def a_file_with_an_agreement_of_tomorrow(robin: Robin) -> None:
    """Dated after the no, as a file would that was exported later."""
    robin.later(30)
    import_file(robin, LINE.replace("\n", ",consent_at\n", 1).rstrip() + f",{robin.now:%Y-%m-%d}\n", when="")


def a_file_with_another_customer_id(robin: Robin) -> None:
    """A second contact with the same number and email."""
    import_file(robin, f"name,phone,email,external_id\nR. Lee,{NUMBER},{EMAIL},CRM-78\n")
    assert Contact.objects.filter(external_id="CRM-78").exists()


def a_file_that_gives_them_another_number_and_email(robin: Robin) -> None:
    import_file(robin, f"name,phone,email,external_id\nRobin,5125550143,lee@example.com,{CUSTOMER}\n")
    assert robin.contact.addresses.filter(value="+15125550143", preferred=True).exists()


def a_file_by_the_command(robin: Robin) -> None:
    text = LINE.replace("\n", ",consent\n", 1).rstrip() + ',"sms,mms,voice,rvm,email"\n'
    import_contacts(
        io.BytesIO(text.encode()),
        contact_list="Fair",
        region="US",
        how="Form",
        now=robin.later(),
        by=robin.by,
    )


def a_file_taken_back(robin: Robin) -> None:
    one = import_file(robin, LINE)
    _take_back(robin, one)


def _take_back(robin: Robin, one: ContactImport) -> None:
    now = robin.later()
    with time_machine.travel(now):
        assert undo_import(one, robin.by, now)
        finish(one, now)


# ---- The contact ------------------------------------------------------------------------------------------------


def merged_into_another(robin: Robin) -> None:
    """Into somebody who agreed to everything since, at another number and email."""
    other = person(*EVERY, at=robin.later())
    consent(other, *EVERY, at=robin.now)
    merge(other.pk, robin.contact.pk, by=robin.by, now=robin.later())


def another_merged_into_them(robin: Robin) -> None:
    other = person(*EVERY, at=robin.later())
    consent(other, *EVERY, at=robin.now)
    merge(robin.contact.pk, other.pk, by=robin.by, now=robin.later())


def merged_with_every_block_left_in_place(robin: Robin) -> None:
    """Somebody unticks each block, also those that no box offers."""
    other = person(*EVERY, at=robin.later())
    consent(other, *EVERY, at=robin.now)
    blocks = list(Suppression.objects.values_list("pk", flat=True))
    merge(other.pk, robin.contact.pk, by=robin.by, now=robin.later(), leave=blocks)


def a_file_that_renames_them_and_says_that_the_new_name_agreed(robin: Robin) -> None:
    import_file(robin, LINE.replace("Robin Lee", "Dana Day"))
    assert Contact.objects.filter(name="Dana Day").exists()


def merged_with_a_second_one_from_a_file(robin: Robin) -> None:
    a_file_with_another_customer_id(robin)
    merge(Contact.objects.get(external_id="CRM-78").pk, robin.contact.pk, by=robin.by, now=robin.later())


def _forget_what_was_sent(robin: Robin) -> None:
    """A contact with messages cannot be deleted."""
    ids = Message.objects.filter(contact=robin.contact).values("pk")
    Engagement.objects.filter(contact=robin.contact).delete()
    Outbox.objects.filter(pk__in=ids).delete()
    Message.objects.filter(contact=robin.contact).delete()
    Recipient.objects.filter(contact=robin.contact).delete()


def deleted_and_imported_anew(robin: Robin) -> None:
    """Not in the admin, which keeps whoever has a ledger."""
    _forget_what_was_sent(robin)
    robin.contact.delete()
    import_file(robin, LINE)


def deleted_and_added_by_hand(robin: Robin) -> None:
    _forget_what_was_sent(robin)
    robin.contact.delete()
    added_by_hand(robin)


def added_by_hand(robin: Robin) -> None:
    """With consent where the form takes it, else without, and an agreement that a colleague enters without evidence."""
    details, shared = Details(name="Robin", phone=NUMBER, email=EMAIL), [NUMBER, EMAIL]
    given = {"region": "US", "by": robin.by, "now": robin.later(), "shared": shared}
    try:
        add_person(details, agreed=Agreed(EVERY, "Form"), **given)
    except ValidationError:
        made = add_person(details, **given)
        for channel in EVERY:
            _enter_consent(robin, made, channel)


def address_deleted_and_another_one_used(robin: Robin) -> None:
    """In the admin, in two steps: what they have left becomes the preferred one once the other is gone."""
    former = [
        factories.phone(robin.contact, preferred=False),
        factories.email(robin.contact, preferred=False),
    ]
    _forget_what_was_sent(robin)
    client = Client()
    client.force_login(robin.by)
    with time_machine.travel(robin.later()):
        for one in robin.contact.addresses.filter(preferred=True):
            client.post(reverse("admin:contacts_address_delete", args=[one.pk]), {"post": "yes"})
    for one in former:
        one.preferred = True
        one.save()


def erased_and_imported_anew(robin: Robin) -> None:
    assert erase_person(robin.contact.pk, by=robin.by, reason="Letter", now=robin.later())
    import_file(robin, LINE)


def erased_and_imported_with_another_spelling(robin: Robin) -> None:
    assert erase_person(robin.contact.pk, by=robin.by, reason="Letter", now=robin.later())
    spelt("00 1 (512) 555-0142", "Robin@EXAMPLE.com")(robin)


def corrected_to_another_number_and_email(robin: Robin) -> None:
    robin.later()
    given = {"region": "US", "by": robin.by}
    with time_machine.travel(robin.now):
        correct(robin.contact, phone="5125550188", email="new@example.com", **given)


def corrected_and_back(robin: Robin) -> None:
    corrected_to_another_number_and_email(robin)
    with time_machine.travel(robin.later()):
        correct(robin.contact, phone=NUMBER, email=EMAIL, region="US", by=robin.by)
        theirs = list(robin.contact.addresses.filter(preferred=True).values_list("pk", flat=True))
        correct(robin.contact, region="US", by=robin.by, confirmed=theirs)


# ---- The admin, and colleagues ----------------------------------------------------------------------------------


def _enter_consent(robin: Robin, contact: Contact, channel: str) -> None:
    client = Client()
    client.force_login(robin.by)
    form = {
        "contact": contact.pk, "channel": channel, "opted_in": "on", "how": "Said so", "wording": "", "evidence": "",
        "at_0": f"{robin.now:%Y-%m-%d}", "at_1": f"{robin.now:%H:%M:%S}",
    }  # fmt: skip
    with time_machine.travel(robin.now):
        answer = client.post(reverse("admin:contacts_consent_add"), form)
    assert answer.status_code in (200, 302)  # the form refuses it, or it counts less than a no


def a_consent_entered_without_evidence(robin: Robin) -> None:
    robin.later()
    for channel in EVERY:
        _enter_consent(robin, robin.contact, channel)


def released_by_an_administrator(robin: Robin) -> None:
    for one in Suppression.objects.filter(released_at=None):
        try:
            release(one, by=robin.by, note="He called", now=robin.later())
        except CannotRelease:
            continue
    release_each(Suppression.objects.all(), by=robin.by, note="All of them", now=robin.later())


def released_in_the_admin(robin: Robin) -> None:
    client = Client()
    client.force_login(robin.by)
    rows = list(Suppression.objects.values_list("pk", flat=True))
    form = {"action": "release_selected", "_selected_action": rows, "note": "He called"}
    with time_machine.travel(robin.later()):
        client.post(reverse("admin:contacts_suppression_changelist"), form)


def suppressed_by_staff_and_released_with_what_it_held_back(robin: Robin) -> None:
    made = suppress(
        contact=robin.contact, reason="staff", origin="staff", evidence="x", by=robin.by, now=robin.later()
    )
    campaign = sending("sms")
    factories.recipient(campaign, robin.contact, state=Recipient.State.SKIPPED, skip_reason="suppressed")
    found = held_back(made, robin.now)
    release(made, by=robin.by, note="Not so", now=robin.later())
    send_held_back(found.ready, "Released", robin.now)


def on_an_uploaded_list_that_is_released(robin: Robin) -> None:
    """A list of bounces: what is released of it is the list's block, and no other."""
    file = io.BytesIO(f"phone,email\n{NUMBER},{EMAIL}\n".encode())
    apply_blocking_list(file, reason="hard_bounce", source="Old system", region="US", now=robin.later())
    released_by_an_administrator(robin)


def suppressed_in_a_batch_that_is_undone(robin: Robin) -> None:
    batch = _batch(robin, "suppress", {"note": "x"})
    with time_machine.travel(robin.later()):
        actions.undo(batch, robin.by, robin.now)
    assert Batch.objects.get().state == Batch.State.UNDONE


# ---- What follows an earlier attempt ------------------------------------------------------------------------------


def _batch(robin: Robin, action: str, options: dict) -> Batch:
    for message in robin.sent.values():
        message.refresh_from_db()
    ids = tuple(sorted(message.pk for message in robin.sent.values()))
    chosen = Selection(view=OutcomeView(None, "", {}), message_ids=ids, selected_at=robin.later())
    batch = actions.start(action, chosen, options, robin.by, robin.now)
    batch.refresh_from_db()
    assert batch.state == Batch.State.DONE
    return batch


def _both_failed(robin: Robin) -> None:
    for message in robin.sent.values():
        report(message, ABSENT, robin.later(0.1))


def retried_in_bulk(robin: Robin) -> None:
    _both_failed(robin)
    _batch(robin, "retry", {})


def moved_to_text_in_bulk(robin: Robin) -> None:
    _both_failed(robin)
    _batch(robin, "switch", {"channel": "sms"})


def moved_to_email_in_bulk(robin: Robin) -> None:
    _both_failed(robin)
    _batch(robin, "switch", {"channel": "email"})


def tried_again_by_a_colleague(robin: Robin) -> None:
    _both_failed(robin)
    work(robin.now)
    for recipient in Recipient.objects.filter(contact=robin.contact):
        run_next_step_now(recipient, robin.by, robin.later(0.1))


# ---- Links, replies and reports -----------------------------------------------------------------------------------


def links_opened_by_anybody(robin: Robin) -> None:
    """Programs open links; so do people to whom a mail was forwarded, and see what is on."""
    path = urlsplit(links.page(str(robin.sent["email"].uuid))).path
    with time_machine.travel(robin.later()):
        for query in ("", "?choices", "?choices=saved", "?from=page"):
            Client().get(path + query)
            Client().head(path + query)
        Client().post(f"{path}?choices", {"do": "on"})
        Client().post(f"{path}?choices", {"do": "on fax"})


def turned_on_by_whoever_shares_an_address(robin: Robin) -> None:
    """Somebody else at the same number turns theirs on, by the link in a mail to an address of their own."""
    other = person(*EVERY, at=robin.now)
    other.addresses.filter(kind="phone").delete()
    factories.phone(other, value=NUMBER)
    mail = waiting(
        sending("email"), robin.account, robin.later(), other, address=other.addresses.get(kind="email")
    )
    work(robin.now)
    path = urlsplit(links.page(str(mail.uuid))).path
    with time_machine.travel(robin.later()):
        for channel in ("sms", "voice", "email"):
            Client().post(f"{path}?choices", {"do": f"on {channel}"})


def a_yes_said_before_that_comes_late(robin: Robin) -> None:
    for value, channel in ((NUMBER, "sms"), (NUMBER, "voice"), (EMAIL, "email")):
        record_opt_in(value=value, channel=channel, how="Reply", evidence="START", at=robin.now - 3 * HOUR)


def a_code_that_is_read_otherwise(robin: Robin) -> None:
    """Their messages were taken for opt-outs by their codes as well, and the codes turn out to mean something else."""
    others = Message.objects.filter(contact=robin.contact).exclude(status=Status.COMPLAINED)
    wrong = [Mistaken(one.address.value, f"message {one.pk}", "code 21610 was mapped anew") for one in others]
    take_back_opt_outs(wrong, note="mapping 2", now=robin.later())


def another_reply_judged_to_be_none(robin: Robin) -> None:
    withdraw_opt_out(value=NUMBER, fact="reply 12", by=robin.by, note="A joke", now=robin.later())
    withdraw_opt_out(value=EMAIL, fact="reply 12", by=robin.by, note="A joke", now=robin.later())


# ---- Other campaigns, accounts and senders --------------------------------------------------------------------------


def another_campaign_provider_and_sender(robin: Robin) -> None:
    account = factories.account("twilio")
    for channel in EVERY:
        kind = "email" if channel == "email" else "phone"
        there = robin.contact.addresses.get(kind=kind, preferred=True)
        waiting(sending(channel), account, robin.later(0.1), robin.contact, address=there)


# ---- Begun before the no --------------------------------------------------------------------------------------------


def imported_before_and_taken_back(robin: Robin) -> Iterator[None]:
    """The file gave them another number and email, at which they said no; then they have the old ones again."""
    one = import_file(robin, f"name,phone,email,external_id\nRobin,5125550143,lee@example.com,{CUSTOMER}\n")
    yield
    _take_back(robin, one)
    assert robin.address("sms").value == NUMBER


def first_messages_that_wait(robin: Robin) -> Iterator[None]:
    for channel in EVERY:
        waiting(sending(channel), robin.account, robin.now, robin.contact, address=robin.address(channel))
    yield


def a_campaign_that_was_paused(robin: Robin) -> Iterator[None]:
    campaigns = [sending(channel) for channel in EVERY]
    for one in campaigns:
        waiting(one, robin.account, robin.now, robin.contact, address=robin.address(one.channel))
        one.state = "paused"
        one.save()
    yield
    for one in campaigns:
        one.state = "sending"
        one.save()


def a_bulk_retry_that_waits(robin: Robin) -> Iterator[None]:
    _both_failed(robin)
    _batch(robin, "retry", {})
    yield


def a_bulk_switch_to_text_that_waits(robin: Robin) -> Iterator[None]:
    _both_failed(robin)
    _batch(robin, "switch", {"channel": "sms"})
    yield


def a_bulk_switch_to_email_that_waits(robin: Robin) -> Iterator[None]:
    _both_failed(robin)
    _batch(robin, "switch", {"channel": "email"})
    yield


def a_batch_of_before_that_is_undone(robin: Robin) -> Iterator[None]:
    batch = _batch(robin, "suppress", {"note": "x"})
    yield
    with time_machine.travel(robin.later()):
        actions.undo(batch, robin.by, robin.now)


def a_switch_that_the_playbook_planned(robin: Robin) -> Iterator[None]:
    for campaign in robin.campaigns.values():
        campaign.playbook.switch_to, campaign.playbook.retries = ["sms", "email"], 0
        campaign.playbook.save()
    _both_failed(robin)
    work(robin.now)
    yield


def a_handover_in_doubt_that_never_left(robin: Robin) -> Iterator[None]:
    """Its answer was lost; when the provider is asked, it knows of nothing, and the message waits once more."""
    for channel in EVERY:
        waiting(sending(channel), robin.account, robin.now, robin.contact, address=robin.address(channel))
    dispatch(robin.now, Fake(answer=None))
    yield
    never = SendResult(False, native_status="never_received")
    recover(robin.later() + timedelta(hours=1), Fake(found=never))


def an_account_that_rested_and_its_messages_went_on(robin: Robin) -> Iterator[None]:
    """The provider took nothing for an hour."""
    for channel in EVERY:
        waiting(sending(channel), robin.account, robin.now, robin.contact, address=robin.address(channel))
    dispatch(robin.now, Fake(answer=SendResult(False, retry_after=3600.0)))
    yield


def a_block_of_staff_from_before_that_is_released(robin: Robin) -> Iterator[None]:
    suppress(contact=robin.contact, reason="staff", origin="staff", evidence="x", by=robin.by, now=robin.now)
    yield
    released_by_an_administrator(robin)


def a_code_that_was_taken_for_a_no_before(robin: Robin) -> Iterator[None]:
    refused = Meaning(Status.OPTED_OUT, FailureClass.OPT_OUT, Fault.RECIPIENT)
    for message in robin.sent.values():
        report(message, refused, robin.now, "21610")
        message.refresh_from_db()
    apply_opt_outs(list(robin.sent.values()), robin.now)
    StatusChange.objects.all().delete()
    yield
    misread = Message.objects.filter(contact=robin.contact, status=Status.OPTED_OUT)
    misread.update(status=Status.SENT, disposition=Disposition.PENDING)
    a_code_that_is_read_otherwise(robin)


WAYS: list[Way] = [
    a_file_that_says_they_agreed, a_file_without_their_details, a_file_with_an_agreement_of_tomorrow,
    a_file_with_another_customer_id, a_file_that_gives_them_another_number_and_email, a_file_by_the_command,
    a_file_taken_back, merged_into_another, another_merged_into_them, merged_with_a_second_one_from_a_file,
    merged_with_every_block_left_in_place, a_file_that_renames_them_and_says_that_the_new_name_agreed,
    deleted_and_imported_anew, deleted_and_added_by_hand, added_by_hand, address_deleted_and_another_one_used,
    erased_and_imported_anew, erased_and_imported_with_another_spelling, corrected_to_another_number_and_email,
    corrected_and_back, a_consent_entered_without_evidence, released_by_an_administrator, released_in_the_admin,
    suppressed_by_staff_and_released_with_what_it_held_back, on_an_uploaded_list_that_is_released,
    suppressed_in_a_batch_that_is_undone, retried_in_bulk, moved_to_text_in_bulk, moved_to_email_in_bulk,
    tried_again_by_a_colleague, links_opened_by_anybody, turned_on_by_whoever_shares_an_address,
    a_yes_said_before_that_comes_late, a_code_that_is_read_otherwise, another_reply_judged_to_be_none,
    another_campaign_provider_and_sender, imported_before_and_taken_back, first_messages_that_wait,
    a_campaign_that_was_paused, a_bulk_retry_that_waits, a_bulk_switch_to_text_that_waits,
    a_bulk_switch_to_email_that_waits, a_batch_of_before_that_is_undone, a_switch_that_the_playbook_planned,
    a_handover_in_doubt_that_never_left, an_account_that_rested_and_its_messages_went_on,
    a_block_of_staff_from_before_that_is_released, a_code_that_was_taken_for_a_no_before,
]  # fmt: skip
