"""The page of one message contradicts itself nowhere, whatever its channel and its outcome."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from itertools import product

import pytest
from django.utils import timezone

from contacts.channels import Channel
from deliveries.meaning.mappings import forget, next_number
from deliveries.meaning.translation import Described
from deliveries.models import CodeMapping, MappingVersion, StatusEvent
from deliveries.statuses import Evidence, FailureClass, Fault, Status
from deliveries.wording import wording
from tests import factories

pytestmark = pytest.mark.django_db

FAILING = [
    ("undelivered", FailureClass.TEMPORARY, Fault.RECIPIENT), ("failed", FailureClass.PERMANENT, Fault.RECIPIENT),
    ("blocked", FailureClass.CONTENT, Fault.CONTENT), ("rejected", FailureClass.ACCOUNT, Fault.ACCOUNT),
    ("opted_out", FailureClass.OPT_OUT, Fault.RECIPIENT), ("timed_out", FailureClass.NONE, Fault.NONE),
    ("expired", FailureClass.NONE, Fault.NONE), ("unknown", FailureClass.UNKNOWN, Fault.NONE),
    ("bounced", FailureClass.PERMANENT, Fault.RECIPIENT), ("no_answer", FailureClass.TEMPORARY, Fault.RECIPIENT),
]  # fmt: skip
ARRIVING = [(status, FailureClass.NONE, Fault.NONE) for status in ("delivered", "answered", "voicemail")]
UNDER_WAY = [(status, FailureClass.NONE, Fault.NONE) for status in ("queued", "sending", "sent", "delayed")]
WITHDRAWN = [("canceled", FailureClass.NONE, Fault.NONE)]


def shown(client, message) -> dict[str, str]:
    """The rows of the details, and under "" the whole page."""
    page = " ".join(unescape(client.get(f"/deliveries/{message.pk}/").content.decode()).split())
    details = page[page.index('id="details-title"') :].partition("</dl>")[0]
    rows = re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", details)
    return {name: re.sub(r"<[^>]+>", "", value).strip() for name, value in rows} | {"": page}


@pytest.fixture
def made():
    """`made(channel, outcome)`: a message with the report that tells its outcome."""

    def make(channel, outcome, **fields):
        status, failure_class, fault = outcome
        fields.setdefault(
            "evidence", Evidence.CLOCK if status in ("timed_out", "queued") else Evidence.CARRIER
        )
        message = factories.message(
            channel=channel, status=status, failure_class=failure_class, fault=fault, **fields
        )
        if status != Status.QUEUED:
            StatusEvent.objects.create(
                message_id=message.pk, fact=1, status=status, precedence=message.precedence,
                failure_class=failure_class, fault=fault, evidence=message.evidence,
                occurred_at=timezone.now(), recorded_at=timezone.now(),
            )  # fmt: skip
        return message

    return make


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("outcome", [*FAILING, *ARRIVING, *UNDER_WAY, *WITHDRAWN], ids=lambda one: one[0])
def test_no_row_says_none_and_the_status_is_the_word_of_the_channel(login, made, channel, outcome):
    message = made(channel, outcome)

    found = shown(login("support"), message)

    label = wording(channel, message.status, message.failure_class, message.goal, message.evidence).label
    assert found["Status"] == label
    assert not {"None", "Nobody", "—", ""} & {
        value for name, value in found.items() if name and name[0] != "P"
    }
    assert ("Segments" in found) is (channel == "sms")


@pytest.mark.parametrize(("channel", "outcome"), list(product(Channel, [*ARRIVING, *UNDER_WAY, *WITHDRAWN])))
def test_what_did_not_fail_shows_no_failure(login, made, channel, outcome):
    found = shown(login("support"), made(channel, outcome))

    assert not {"Failure class", "Fault"} & found.keys()


@pytest.mark.parametrize("goal", ["exposure", "conversation"])
def test_a_voicemail_shows_no_failure_whatever_it_was_meant_for(login, made, goal):
    message = made("voice", ARRIVING[2], goal=goal)

    found = shown(login("support"), message)

    assert found["Status"] == "Voicemail"
    assert not {"Failure class", "Fault"} & found.keys()


@pytest.mark.parametrize(("goal", "delivered"), [("exposure", True), ("conversation", False)])
def test_a_mailbox_is_a_delivery_only_where_that_was_the_goal(login, made, goal, delivered):
    message = made("voice", ARRIVING[2], goal=goal, delivered_at=timezone.now())

    found = shown(login("support"), message)

    assert (
        {"Delivered", "Time to deliver"} <= found.keys()
        if delivered
        else {"Delivered", "Time to deliver"}.isdisjoint(found)
    )
    assert ("Reached a mailbox" in found) is not delivered


@pytest.mark.parametrize(("channel", "outcome"), list(product(Channel, [*FAILING, *UNDER_WAY, *WITHDRAWN])))
def test_what_did_not_arrive_shows_no_time_of_delivery(login, made, channel, outcome):
    message = made(channel, outcome, delivered_at=timezone.now())  # taken at first, and come back

    found = shown(login("support"), message)

    assert not {"Delivered", "Time to deliver"} & found.keys()


def test_a_failure_says_its_class_and_whose_fault_it_is(login, made):
    found = shown(login("support"), made("sms", FAILING[1]))

    assert (found["Failure class"], found["Fault"], found["Evidence"]) == (
        "Permanent",
        "Recipient",
        "Carrier receipt",
    )


def test_what_was_withdrawn_shows_no_word_of_ours_as_a_provider_s_code(login, made):
    page = shown(login("support"), made("sms", WITHDRAWN[0], reason_code="opted_out"))[""]

    assert "opted_out" not in page
    assert "the person opted out" in page


def test_other_attempts_are_called_by_the_words_of_their_channel(login, made):
    first = made("sms", FAILING[0])
    second = made("rvm", ARRIVING[0], recipient=first.recipient, follows=first, address=first.address)

    page = shown(login("support"), first)[""]

    assert "<span>Voicemail left</span>" in page
    assert "Ringless voicemail, voicemail left." in page
    assert second.get_status_display() == "Delivered"


def test_a_code_without_a_meaning_reads_as_its_status(login, made):
    account = factories.account()
    CodeMapping.objects.create(
        table="sandbox", channel="sms", kind="error", code="LK-207", key="lk-207", name="", meaning="",
        status="undelivered", failure_class="opt_out", fault="recipient", verified=True,
        since=MappingVersion.objects.create(
            number=next_number(), state="published", origin="edited", published_at=timezone.now()
        ),
    )  # fmt: skip
    forget()
    message = made(
        "sms", ("undelivered", FailureClass.OPT_OUT, Fault.RECIPIENT), account=account, reason_code="LK-207"
    )

    page = shown(login("support"), message)

    forget()
    assert page["Status"] == "Opted out"
    assert "The recipient asked not to be contacted here." in page[""]
    assert "…" not in page[""]


@pytest.mark.parametrize(
    ("name", "meaning", "short"),
    [
        ("", "", ""),
        ("Link name", "", "Link name"),
        ("A name " * 12, "", "A name A name A name A name A name A name A name A name A…"),
        ("Name", "A meaning " * 9, "Name"),
    ],
)
def test_a_code_in_few_words_is_never_dots_alone(name, meaning, short):
    assert Described("1", name, meaning, known=True).short == short


def test_the_page_of_a_message_says_on_which_day_it_was(login, made, time_machine):
    time_machine.move_to(datetime(2026, 11, 30, 10, tzinfo=UTC))
    message = made("sms", ARRIVING[0], created_at=datetime(2026, 11, 28, 9, 15, tzinfo=UTC))

    page = shown(login("support"), message)[""]

    assert re.search(r'<span class="when"><time [^>]*>28 Nov, 09:15</time>', page)
