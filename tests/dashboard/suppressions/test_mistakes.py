"""Suppressions that would not be made today: found, with the reason, and released together."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import AddressHealth, Suppression
from contacts.suppressing import MISTAKEN
from deliveries.deciding.erasing import erase_person
from deliveries.models import FailureLimit, Message, RouteAlarm, SuppressionEvidence
from deliveries.outcomes import mistaken_suppressions
from deliveries.outcomes.keyset import Cursor
from deliveries.outcomes.mistaken_suppressions import candidates, mistaken, walk
from tests import factories

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAILED = {
    "status": "undelivered", "failure_class": "permanent", "fault": "recipient", "disposition": "BOUNCED_HARD",
    "reason_code": "UNKNOWN_SUBSCRIBER",
}  # fmt: skip
ABSENT = FAILED | {"failure_class": "temporary", "disposition": "PENDING_RETRY", "reason_code": "ABSENT"}


@pytest.fixture
def then():
    return timezone.now() - 5 * DAY


def suppressed(then, *, n=1, certainty="number", reason="hard_fails", every=HOUR, **reported):
    """An address that a rule suppressed for messages that failed, the last of them at `then`."""
    reported = (ABSENT if reason == "unreachable" else FAILED) | reported
    contact = factories.contact()
    address = factories.phone(contact)
    block = Suppression.objects.create(
        value=address.value, contact=contact, channel="sms", reason=reason, origin="rule", created_at=then
    )
    for number in range(n):
        at = then - number * every
        message = factories.message(
            factories.recipient(contact=contact), address=address, channel="sms", settled_at=at, **reported
        )
        SuppressionEvidence.objects.create(
            suppression=block, message=message, code=message.reason_code, status=message.status,
            certainty=certainty, failed_at=at,
        )  # fmt: skip
    return block


def found():
    now = timezone.now()
    return {one.row.pk: one.reasons for one in mistaken(list(candidates(now)), now)}


def change(block, **fields):
    Message.objects.filter(
        pk__in=SuppressionEvidence.objects.filter(suppression=block).values("message")
    ).update(**fields)


def test_what_stands_is_not_among_them(then):
    suppressed(then)
    suppressed(then, n=3, certainty="other", reason_code="X")
    suppressed(then, n=7, certainty="unreachable", reason="unreachable")
    suppressed(then, n=3, certainty="unreachable", reason="unreachable", every=7 * DAY)

    assert found() == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"disposition": "PENDING_RETRY", "failure_class": "temporary"}, "means something else by now"),
        (
            {"disposition": "BLOCKED_COMPLIANCE", "failure_class": "compliance", "fault": "sender"},
            "our reputation",
        ),
        (
            {"disposition": "BLOCKED_COMPLIANCE", "failure_class": "content", "fault": "content"},
            "a fault on our side",
        ),
        ({"disposition": "DELIVERED", "status": "delivered", "fault": "none"}, "arrived after all"),
        ({"fault": "carrier"}, "means something else by now"),
    ],
    ids=["temporary", "reputation", "content", "arrived", "carrier"],
)
def test_a_message_that_reads_otherwise_today(then, fields, words):
    suppressed(then)
    block = suppressed(then)
    change(block, **fields)

    assert list(found()) == [block.pk]
    assert words in found()[block.pk][0]


def test_one_of_three_that_reads_otherwise_leaves_too_few(then):
    block = suppressed(then, n=3, certainty="other", reason_code="X")
    four = suppressed(then, n=4, certainty="other", reason_code="X")
    for one in (block, four):
        first = SuppressionEvidence.objects.filter(suppression=one).earliest("pk")
        Message.objects.filter(pk=first.message_id).update(fault="carrier")

    assert list(found()) == [block.pk]


@pytest.mark.parametrize(
    ("kind", "hours", "channel", "is_found"),
    [
        ("rests", (-1, 1), "", True), ("refuses", (-1, 1), "sms", True), ("rests", (-1, None), "", True),
        ("rests", (-9, -8), "", False), ("rests", (2, 9), "", False), ("rests", (-1, 1), "voice", False),
        ("slow", (-1, 1), "", False),
    ],
)  # fmt: skip
def test_what_failed_while_the_account_was_in_trouble(then, kind, hours, channel, is_found):
    block = suppressed(then)
    account = Message.objects.get().account
    RouteAlarm.objects.create(
        kind=kind, account=account, channel=channel, raised_at=then + hours[0] * HOUR,
        closed_at=None if hours[1] is None else then + hours[1] * HOUR,
    )  # fmt: skip

    assert list(found()) == ([block.pk] if is_found else [])
    if is_found:
        assert f"while {account.name} was in trouble" in found()[block.pk][0]


def test_something_has_arrived_since(then):
    block = suppressed(then)
    first = Message.objects.get()
    late = {"contact": block.contact, "address": first.address, "channel": "sms", "status": "delivered"}
    factories.message(
        factories.recipient(contact=block.contact), disposition="DELIVERED", evidence="carrier",
        delivered_at=then + HOUR, **{k: v for k, v in late.items() if k != "contact"},
    )  # fmt: skip

    assert found() == {block.pk: ["Something has arrived there since"]}


def test_more_are_asked_for_than_were(then):
    block = suppressed(then)
    FailureLimit.objects.create(
        certainty="number", failures=2, pause_days=0, note="-", made_by=factories.user("admin")
    )

    assert found() == {block.pk: ["One failure is not enough any more: it takes 2 in a row"]}


@pytest.mark.parametrize(
    "fields",
    [{"origin": "recipient", "reason": "stop"}, {"origin": "provider", "reason": "complaint"},
     {"origin": "staff", "reason": "legal"}, {"origin": "staff", "reason": "hard_bounce"}],
    ids=["stop", "complaint", "legal", "staff"],
)  # fmt: skip
def test_what_no_rule_made_is_never_found_nor_released(login, then, fields):
    block = suppressed(then)
    change(block, fault="carrier")
    Suppression.objects.filter(pk=block.pk).update(**fields)

    login("admin").post(
        "/suppressions/mistakes/release/", {"suppressions": block.pk, "note": "All", "release": ""}
    )

    assert found() == {}
    block.refresh_from_db()
    assert block.released_at is None


def test_what_is_kept_for_somebody_erased_is_not_among_them(then):
    block = suppressed(then)
    change(block, fault="carrier")
    assert list(found()) == [block.pk]

    erase_person(block.contact_id, by=factories.user("admin"), reason="Asked", now=timezone.now())

    assert found() == {}


# ---- The pages ---------------------------------------------------------------------------------------------------


def test_they_are_listed_previewed_and_released(login, then, now):
    mistake, stands = suppressed(then), suppressed(then)
    change(mistake, fault="carrier")
    AddressHealth.objects.create(
        address=mistake.contact.addresses.get(), channel="sms", hard_fails=1, enough=1
    )
    client = login("marketer")

    page = client.get("/suppressions/mistakes/").content.decode()
    assert f'value="{mistake.pk}"' in page
    assert f'value="{mistake.pk}" checked' not in page
    assert page.count("data-tick-all") == 1
    assert page.count("Preview the release") == 2
    assert f'value="{stands.pk}"' not in page
    ticked = {"suppressions": [mistake.pk, stands.pk]}
    preview = client.post("/suppressions/mistakes/release/", ticked).content.decode()
    assert "Release 1 suppression" in preview
    assert "<strong>1</strong> suppression for permanent failures. They end at once" in re.sub(
        r"\s+", " ", preview
    )
    assert "1 more of those ticked stands after all" in re.sub(r"\s+", " ", preview)
    assert not Suppression.objects.filter(released_at__isnull=False).exists()
    assert (
        client.post("/suppressions/mistakes/release/", ticked | {"release": "", "note": ""}).status_code
        == 422
    )

    answer = client.post(
        "/suppressions/mistakes/release/", ticked | {"release": "", "note": "An outage"}, follow=True
    )

    assert "1 suppression released" in answer.content.decode()
    mistake.refresh_from_db()
    stands.refresh_from_db()
    assert mistake.release_note == f"{MISTAKEN}: An outage"
    assert mistake.released_by.username.startswith("marketer")
    assert stands.released_at is None
    assert AddressHealth.objects.get().hard_fails == 0
    assert "No suppression looks mistaken" in client.get("/suppressions/mistakes/").content.decode()


def test_whoever_may_not_release_only_reads(login, then, make_user):
    change(suppressed(then), fault="carrier")
    from django.contrib.auth.models import Permission

    reader = make_user("support")
    reader.groups.clear()
    reader.user_permissions.add(Permission.objects.get(codename="view_suppression"))
    from django.test import Client

    client = Client()
    client.force_login(reader)

    assert '<button class="btn primary">Preview' not in client.get("/suppressions/mistakes/").content.decode()
    assert client.post("/suppressions/mistakes/release/").status_code == 403


@pytest.mark.parametrize("sent", [{}, {"suppressions": ["x", "9" * 30, "-1"]}], ids=["nothing", "nonsense"])
def test_nothing_ticked_is_said(login, sent):
    answer = login("marketer").post("/suppressions/mistakes/release/", sent, follow=True)

    assert "Tick those to release first" in answer.content.decode()


def test_a_page_asks_as_many_queries_whatever_it_finds(login, then, django_assert_max_num_queries):
    client = login("marketer")
    change(suppressed(then), fault="carrier")
    client.get("/suppressions/mistakes/")
    with django_assert_max_num_queries(40) as one:
        client.get("/suppressions/mistakes/")
    for _ in range(6):
        change(suppressed(then, n=3), fault="carrier")

    with django_assert_max_num_queries(len(one)):
        client.get("/suppressions/mistakes/")


def test_pages_follow_each_other(login, then, monkeypatch):
    monkeypatch.setattr("dashboard.suppressions.mistakes.SIZE", 2)
    blocks = [suppressed(then + n * HOUR) for n in range(3)]
    for block in blocks:
        change(block, fault="carrier")
    client = login("marketer")

    first = client.get("/suppressions/mistakes/").content.decode()
    older = re.search(r'href="(\?after=[^"]+)"', first)
    second = client.get(f"/suppressions/mistakes/{older[1]}").content.decode()

    ids = [
        [int(pk) for pk in re.findall(r'name="suppressions" value="(\d+)"', page)] for page in (first, second)
    ]
    assert ids == [[blocks[2].pk, blocks[1].pk], [blocks[0].pk]]
    assert "Older" not in second


def test_older_is_offered_only_where_something_older_looks_mistaken(login, then, monkeypatch):
    monkeypatch.setattr("dashboard.suppressions.mistakes.SIZE", 2)
    monkeypatch.setattr(mistaken_suppressions, "candidates", lambda now: Suppression.objects.all())
    stands = [suppressed(then + n * HOUR) for n in range(2)]
    for n in (2, 3):
        change(suppressed(then + n * HOUR), fault="carrier")
    client = login("marketer")

    page = client.get("/suppressions/mistakes/").content.decode()
    assert page.count('name="suppressions"') == 2
    assert "?after=" not in page

    change(suppressed(then - HOUR), fault="carrier")
    page = client.get("/suppressions/mistakes/").content.decode()
    older = client.get("/suppressions/mistakes/" + re.search(r'href="(\?after=[^"]+)"', page)[1])
    assert older.content.decode().count('name="suppressions"') == 1  # those that stand are passed over
    assert stands[0].released_at is None


def test_a_page_goes_through_a_fixed_number_and_the_next_ones_find_the_rest(then):
    blocks = [suppressed(then + n * HOUR) for n in range(7)]
    for n in (0, 1, 4):
        change(blocks[n], fault="carrier")
    Suppression.objects.filter(pk=blocks[6].pk).update(released_at=then + DAY)
    mark, pages = "", []
    while len(pages) < 5:
        page = walk(timezone.now(), 2, mark, most=3)
        pages.append([one.pk for one in page.rows])
        mark = page.after
        if not mark:
            break

    assert pages == [[blocks[4].pk], [blocks[1].pk], [blocks[0].pk]]


def test_an_empty_later_page_says_that_it_is_one(login, then):
    mark = Cursor(then - DAY, 1)
    change(suppressed(then), fault="carrier")

    page = login("marketer").get(f"/suppressions/mistakes/?after={mark}").content.decode()

    assert "No older suppression looks mistaken" in page
    assert 'href="/suppressions/mistakes/"' in page
