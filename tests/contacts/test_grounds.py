"""What is known of an opt-out is what it is called: everywhere, and never more than that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from contacts import gate, grounds
from contacts.consenting import record_opt_out
from contacts.models import Suppression
from deliveries.models import Heartbeat, Outbox
from tests import factories

NOW = datetime(2026, 11, 3, 17, tzinfo=UTC)


def stop(fact: str, evidence: str = "", by=None, **fields) -> Suppression:
    return Suppression(
        reason="stop", origin="recipient", fact=fact, evidence=evidence, created_by=by, **fields
    )


@pytest.mark.parametrize(
    ("fact", "evidence", "ground"),
    [
        ("reply 2026-11-03T17:00:00+00:00 1a2b3c4d", "STOP", grounds.REPLIED),
        ("said 2026-11-03T17:00:00+00:00", "STOP", grounds.REPLIED),
        ("said 2026-11-03T17:00:00+00:00", "Pressed 9", grounds.PRESSED),
        ("message 7", "Message 7: 21610", grounds.REPORTED),
        ("follows 3", "old system, line 7", grounds.LISTED),
        ("", "Message 7: 21610", grounds.REPORTED),
        ("follows 3", "Message 7: 21610", grounds.REPORTED),
        ("follows 3", "Pressed 9", grounds.PRESSED),
        ("follows 3", "STOP", grounds.REPLIED),
        ("said 2026-11-03T17:00:00+00:00", "Stop.", grounds.REPLIED),
        ("said 2026-11-03T17:00:00+00:00", "", grounds.REPLIED),
        ("said 2026-11-03T17:00:00+00:00", "You have the wrong person", grounds.ANSWERED),
        ("follows 3", "Please stop texting me", grounds.ANSWERED),
    ],
)
def test_an_opt_out_is_called_by_what_is_known_of_it(fact, evidence, ground):
    assert stop(fact, evidence).ground == stop(fact, evidence).ground_by == ground


@pytest.mark.parametrize(
    ("evidence", "ground"),
    [
        ("unsubscribe", grounds.UNSUBSCRIBED),
        ("STOP", grounds.UNSUBSCRIBED),
        ("", grounds.UNSUBSCRIBED),
        ("I am not this person", grounds.ANSWERED),
    ],
)
def test_by_mail_people_unsubscribe(evidence, ground):
    row = stop("said 2026-11-03T17:00:00+00:00", evidence, value="a@example.com", match_key="a@example.com")

    assert row.ground == ground


@pytest.mark.parametrize("reason", ["stop", "asked"])
@pytest.mark.parametrize("fact", ["file 0a1b2c3d", "follows 3"])
def test_what_came_with_a_list_was_not_asked_of_us(reason, fact):
    row = Suppression(reason=reason, origin="recipient", fact=fact, evidence="Old system, line 7")

    assert row.ground == grounds.LISTED


@pytest.mark.parametrize("fact", ["reply 2026-11-03T17:00:00+00:00 1a2b3c4d", "follows 3"])
def test_what_a_colleague_read_so_names_them(fact):
    found = stop(fact, "not any more", by=factories.User(username="ann", first_name="Ann", pk=5))

    assert found.ground == "Reply read as an opt-out"
    assert found.ground_by == "Reply read as an opt-out by Ann"


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago"])
def test_what_a_colleague_read_is_dated_as_the_reply_it_was(zone):
    found = stop("follows 3", "not any more", by=factories.User(username="ann", first_name="Ann", pk=5))
    found.created_at = datetime(2026, 11, 30, 2, tzinfo=UTC)  # when it was written, not when Ann read it

    with timezone.override(zone):
        day = "30 Nov 2026" if zone == "UTC" else "29 Nov 2026"
        assert found.ground_dated == f"Reply of {day} read as an opt-out by Ann"


def test_every_other_ground_has_its_day_behind_it():
    found = stop("said 2026-11-03T17:00:00+00:00", "STOP")
    found.created_at = datetime(2026, 11, 3, 17, tzinfo=UTC)

    assert found.ground_dated == "Replied STOP on 3 Nov 2026"


@pytest.mark.parametrize("reason", [one for one in Suppression.Reason if one != "stop"])
def test_every_other_reason_is_its_own_ground(reason):
    assert Suppression(reason=reason, fact="message 7").ground == reason.label


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ("", ""),
        ("batch 12", "Bulk action 12"),
        ("file 0a1b2c3d", "Imported file"),
        ("message 7", "Message 7"),
        ("follows 3", "Follows suppression 3"),
        ("reply 2026-11-03T17:00:00+00:00 1a2b3c4d", "Reply of 3 Nov 2026, 18:00"),
        ("reply 2026-11-03T17:00:00.123456+00:00 1a2b3c4d #2", "Reply of 3 Nov 2026, 18:00"),
        ("said 2026-11-03T17:00:00+00:00", "Word of 3 Nov 2026, 18:00"),
        ("SM0123", "SM0123"),
        ("said so", "said so"),
    ],
)
def test_what_it_is_recorded_for_is_shown_in_words_and_in_the_reader_s_zone(fact, words):
    with timezone.override("Europe/Madrid"):
        assert grounds.occasion(fact) == words


SAYINGS = {
    "replied": ({"fact": "reply 2026-11-03T17:00:00+00:00 1a2b3c4d", "evidence": "STOP"}, "Replied STOP"),
    "answered": ({"evidence": "You have the wrong person"}, "Asked by reply to stop"),
    "reported": (
        {"fact": "message 7", "evidence": "Message 7: 21610"},
        "Opted out, reported by the provider",
    ),
    "pressed": ({"evidence": "Pressed 9"}, "Pressed a key to opt out"),
    "read": (
        {"fact": "reply 2026-11-03T17:00:00+00:00 1a2b3c4d", "evidence": "no more"},
        "Reply read as an opt-out",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("fields", "ground"), SAYINGS.values(), ids=SAYINGS)
def test_pages_the_admin_and_the_gate_call_it_so(client, login, fields, ground):
    phone = factories.phone()
    ann = factories.user(first_name="Ann") if ground == grounds.READ else None
    record_opt_out(value=phone.value, channel="sms", how="x", at=NOW, by=ann, **fields)
    client.force_login(factories.user("admin", is_staff=True, is_superuser=True))
    block = Suppression.objects.get()
    named = f"{ground} by Ann" if ann else ground

    page = " ".join(login("support").get(f"/contacts/{phone.contact_id}/").content.decode().split())
    listed = client.get("/admin/contacts/suppression/").content.decode()
    alone = client.get(f"/admin/contacts/suppression/{block.pk}/change/").content.decode()
    said = gate.check([asking(phone)], NOW)[1]

    assert page.count(named.removeprefix("Reply ")) >= 2  # beside the timeline, with its day, and on it
    assert ground in listed
    assert ground in alone
    assert "T17:00:00+00:00" not in page + alone
    words = grounds.dated(ground, NOW)
    assert said.detail == f"{words[0].lower()}{words[1:]}"
    for other in {ground for _, ground in SAYINGS.values()} - {ground}:
        assert other not in page


def asking(phone) -> gate.Ask:
    return gate.Ask(
        key=1, contact_id=phone.contact_id, address_id=phone.pk, channel="sms", sender_value="", relevant_until=None,
        window_start=NOW.time().replace(hour=0), window_end=NOW.time().replace(hour=23), campaign_state="sending",
        sender_state="approved",
    )  # fmt: skip


def test_work_is_named_with_a_date_for_people():
    with timezone.override("Europe/Madrid"):
        assert str(Outbox(message_id=7, due_at=NOW)) == "message 7, due 3 Nov 2026, 18:00"
        assert (
            str(Heartbeat(roles="send", host="work-1", pid=7, at=NOW))
            == "send on work-1 (process 7), 3 Nov 2026, 18:00"
        )
