"""An opt-out that was read out of a report about an answer of ours goes, and comes back, with what its code means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in, record_opt_out
from contacts.models import AutomaticAnswer, Consent, Suppression
from deliveries.meaning import drafts, mappings
from deliveries.meaning.translation import Key
from deliveries.models import MappingVersion
from deliveries.providers.facts import Report
from deliveries.receiving.answers import about_answers
from deliveries.receiving.recording import ClaimedReceipt
from tests import factories
from tests.deliveries.meaning.tables import replay_all

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
REFUSED = Key("twilio", "sms", "error", "21610")  # "the recipient unsubscribed", an opt-out by the tables
TEMPORARY = {
    "name": "x", "meaning": "x", "status": "undelivered", "failure_class": "temporary", "fault": "carrier",
    "verified": True,
}  # fmt: skip


@pytest.fixture
def answer(now):
    """A question to confirm that the provider refused as the person had unsubscribed; they had agreed before."""
    mappings.seed()
    account = factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
    factories.message(account=account)  # versions are replayed up to the newest message
    phone = factories.phone()
    record_opt_in(value=phone.value, channel="sms", how="Form", evidence="x", at=now - 9 * HOUR)
    row = AutomaticAnswer.objects.create(
        address=phone, match_key=phone.match_key, kind="confirm", fact="x", channel="sms", account_id=account.pk,
        sender_value="+1", text="x", state="sent", asked_at=now,
    )  # fmt: skip
    reported(row, now)
    return row


def reported(row, now, status="failed", code="21610"):
    receipt = ClaimedReceipt(1, row.account_id, "status", now, "POST", "", {}, b"", 0)
    about_answers([(receipt, Report(str(row.uuid), "SM1", "sms", status, code))], now)


def corrected(now):
    """Publish: 21610 is temporary."""
    drafts.edit(REFUSED, TEMPORARY, None)
    replay_all(now)
    found = drafts.open_draft()
    drafts.publish(found, note="", by=None, now=now, confirmed=0)
    mappings.forget()
    replay_all(now + HOUR)
    return found


def may_be_texted(row):
    """What blocks them, and what the ledger says."""
    blocked = Suppression.objects.in_force(row.asked_at + 9 * HOUR).exists()
    return not blocked and latest_consents([row.address.contact_id])[row.address.contact_id, "sms"].opted_in


def test_a_corrected_code_withdraws_the_opt_out_and_undoing_it_puts_it_back(answer, now):
    assert not may_be_texted(answer)

    version = corrected(now + HOUR)

    assert may_be_texted(answer)
    assert "code 21610 was mapped anew" in Suppression.objects.get().release_note
    assert Consent.objects.filter(how="Correction", contact=answer.address.contact).count() == 2
    version.refresh_from_db()
    drafts.undo(version, by=None, now=now + 3 * HOUR)
    mappings.forget()
    replay_all(now + 4 * HOUR)
    assert not may_be_texted(answer)
    assert Suppression.objects.get().fact == f"answer {answer.pk}"


def test_what_the_person_said_besides_stays(answer, now):
    record_opt_out(value=answer.address.value, channel="sms", how="Text", evidence="STOP", at=now + HOUR / 2)

    corrected(now + HOUR)

    assert not may_be_texted(answer)
    assert Suppression.objects.in_force(now + 9 * HOUR).get().evidence == "STOP"


def test_another_code_withdraws_nothing(answer, now):
    drafts.edit(REFUSED._replace(code="30003"), TEMPORARY, None)
    drafts.publish(drafts.open_draft(), note="", by=None, now=now + HOUR)
    mappings.forget()

    replay_all(now + 2 * HOUR)

    assert not may_be_texted(answer)
    assert MappingVersion.objects.latest("number").replayed_at


def test_a_yes_in_between_is_not_taken_back_with_the_correction(answer, now):
    corrected(now + HOUR)
    record_opt_in(value=answer.address.value, channel="sms", how="Form", evidence="x", at=now + 2 * HOUR)

    reported(answer, now + 3 * HOUR)

    assert may_be_texted(answer)
