"""Pages at ten times the messages: what the server needs for each, from the request to the last byte; and beside the
empty page of the same frame and the page's own statements, which says what its templates cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from benchmarks import rows
from benchmarks.measuring import Figure, Options, Rounds, tell, timed
from campaigns.models import Campaign
from contacts.channels import Channel
from deliveries.models import QueueEntry
from deliveries.outcomes.keyset import Cursor
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Queue, Status, disposition, precedence

BIG = 10_000_000
CALLS = 20  # of each page in each round
CONTACTS = 1_000_000
LOOSE = (  # these read more than day totals and one campaign
    "campaign list",
    "report, filtered",
    "report, not reached",
    "contact search",
    "messages",
    "suppressions",
)
SHELL = "the empty page"
MOST = 2.5  # times the empty page and the page's statements

# Of a hundred messages: what became of them, with the code, and the queue they stand in.
SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)
DELIVERED = Meaning(Status.DELIVERED, FailureClass.NONE, Fault.NONE, Evidence.CARRIER)
STORIES = (
    (86, DELIVERED, "", ""),
    (3, SENDING, "", ""),
    (3, Meaning(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT), "30003", Queue.RETRY),
    (3, Meaning(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.RECIPIENT), "30005", Queue.CORRECT),
    (2, Meaning(Status.UNDELIVERED, FailureClass.CONTENT, Fault.CONTENT), "30007", Queue.REVIEW),
    (1, Meaning(Status.REJECTED, FailureClass.OPT_OUT, Fault.RECIPIENT), "21610", Queue.SUPPRESS),
    (2, Meaning(Status.TIMED_OUT, FailureClass.UNKNOWN, Fault.NONE, Evidence.CLOCK), "", Queue.SWITCH),
)


def run(options: Options) -> Iterator[Figure]:
    """The same pages over two databases, one with ten times the messages of the other, call by call in turn."""
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    large = BIG if options.big else options.rows
    sides = [
        Side("small", connection.settings_dict["NAME"], large // 10),
        Side("large", options.second, large),
    ]
    rounds = {page: Rounds(page, options, "ms") for page in sides[0].urls}
    for _ in range(options.rounds):
        for page, taken in rounds.items():
            for side in sides:
                side.get(page)  # warm
            spent = [[side.get(page) for side in sides] for _ in range(CALLS)]
            for side, times in zip(sides, zip(*spent, strict=True), strict=True):
                taken.add(side.name, 1000 * median(times))
    scale = f"{large // 10:,} -> {large:,}"
    for page, taken in rounds.items():
        target = (
            (1.5 if page in LOOSE else 1.2) if options.big else None
        )  # below, the tallies are not yet full
        yield taken.against(f"{page}, {scale}", "large", "small", target, at_most=True)
    yield from _of_shell(options, sides[1], rounds)
    deep = Rounds("pages", options, "ms")
    deep.numbers.update({page: taken.numbers["large"] for page, taken in rounds.items()})
    yield deep.against("a deep page of a queue / its first", "queue, deep", "queue", 1.3, at_most=True)


def _of_shell(options: Options, side: Side, rounds: dict[str, Rounds]) -> Iterator[Figure]:
    """Each page beside the empty one and the page's own statements, on the larger database."""
    shell = median(rounds[SHELL].numbers["large"])
    for page, taken in rounds.items():
        if page != SHELL:
            whole, statements = median(taken.numbers["large"]), side.statements(page)
            floor = shell + statements
            yield Figure(
                page, options.database, f"{page} / {SHELL} and its statements", "ms", whole, floor, whole / floor,
                target=MOST, at_most=True,
            )  # fmt: skip


class Side:
    """One of the two databases, filled, with somebody who is logged in there."""

    def __init__(self, name: str, database: Any, count: int) -> None:
        self.name = name
        self.connection = connections.create_connection("default")
        self.connection.settings_dict = {**self.connection.settings_dict, "NAME": database}
        self.use()
        with timed() as clock:
            _fill(count, min(CONTACTS, count))
        tell(f"  {count:,} messages made in {clock.seconds:.0f} s")
        user = User.objects.create_user("benchmark", password="benchmark")
        user.groups.set(Group.objects.all())
        self.client = Client()
        self.client.force_login(user)
        self.urls = _pages()

    def use(self) -> None:
        """Let everything after this work on this database."""
        connections["default"] = self.connection

    def get(self, page: str) -> float:
        """Seconds for one call of the page."""
        self.use()
        url = self.urls[page]
        with timed() as clock:
            response = self.client.get(url)
            body = response.content
        if response.status_code != 200:
            raise RuntimeError(f"{url} answered {response.status_code}: {body[:200]!r}")
        return clock.seconds

    def statements(self, page: str) -> float:
        """Milliseconds that the database takes for the page's statements, as the driver sees them."""
        spent = []
        for _ in range(CALLS):
            with CaptureQueriesContext(self.connection) as sent:
                self.get(page)
            spent.append(1000 * sum(float(query["time"]) for query in sent))
        return median(spent)


def _pages() -> dict[str, str]:
    """Each page by name -> its URL in the database in use."""
    campaign = Campaign.objects.order_by("pk")[rows.CAMPAIGNS // 2]
    report, queue = campaign.get_absolute_url(), reverse("deliveries:queue", args=[Queue.RETRY])
    entries = QueueEntry.objects.filter(queue=Queue.RETRY)
    middle = entries.order_by("-at", "-message_id")[entries.count() // 2]
    message = campaign.messages.order_by("-pk")[campaign.messages.count() // 2]
    return {
        SHELL: reverse("alerts:snoozed"),
        "overview, 7 days": f"{reverse('overview')}?days=7",
        "overview, 30 days": f"{reverse('overview')}?days=30",
        "campaign list": reverse("campaigns:list"),
        "report": report,
        "report, deep": f"{report}?after={Cursor(None, message.pk)}",
        "report, filtered": f"{report}?status=permanent&carrier=Carrier+3",
        "report, a queue": f"{report}?queue={Queue.RETRY}",
        "report, not reached": f"{report}?person=failed",
        "compare": f"{report}compare/?by=carrier",
        "causes": f"{report}causes/",
        "deliverability": reverse("deliverability"),
        "messages": f"{reverse('messages')}?days=90&status=permanent",
        "queue": queue,
        "queue, deep": f"{queue}?after={Cursor(middle.at, middle.pk)}",
        "contact search": f"{reverse('contacts:search')}?q=Juniper+77",
        "trail": reverse("contacts:trail", args=[message.contact_id]),
        "alerts": reverse("alerts:list"),
        "receivers": reverse("receivers:page"),
        "suppressions": reverse("suppressions:list"),
    }


# ---- Rows --------------------------------------------------------------------------------------------------------


def _fill(count: int, contacts: int) -> None:
    of = rows.world()
    rows.contacts(of, contacts, searchable=True)
    each = count // rows.CAMPAIGNS
    # Message n is for recipient n: one contact of each campaign, spread so that none has the same twice.
    contact = f"1 + (n / {rows.CAMPAIGNS} + n % {rows.CAMPAIGNS} * {contacts // rows.CAMPAIGNS}) % {contacts}"
    rows.messages(of, count, contact=contact, **_outcomes())
    _recipients(count)
    _queues()
    note = import_module("deliveries.migrations.0011_note_setbacks").NOTE
    rows.execute(note.replace("deliveries_setback", "deliveries_failureindex"))  # as that table is called now
    rows.tallies()
    Campaign.objects.update(audience_size=each, expanded_count=each, launched_at=timezone.now())
    rows.settle_down()


def _outcomes() -> dict[str, str]:
    """The columns of messages that say what became of them."""
    number = rows.scattered("n", 7, 100)
    # Each campaign has a channel of its own, and one message in ten goes by the next.
    channel = f"(n % {rows.CAMPAIGNS} + {rows.scattered('n', 8, 10)} / 9) % {len(Channel)}"
    return {
        "channel": rows.one_of(Channel.values, channel),
        "status": _by_story(number, lambda story: f"'{story[1].status}'"),
        "precedence": _by_story(number, lambda story: str(precedence(story[1], 1))),
        "failure_class": _by_story(number, lambda story: f"'{story[1].failure_class}'"),
        "fault": _by_story(number, lambda story: f"'{story[1].fault}'"),
        "evidence": _by_story(number, lambda story: f"'{story[1].evidence}'"),
        "disposition": _by_story(number, lambda story: f"'{disposition(*story[1][:3], 'exposure')}'"),
        "reason_code": _by_story(number, lambda story: f"'{story[2]}'"),
    }  # fmt: skip


def _by_story(number: str, column) -> str:
    """SQL for a column of the story that a number below a hundred falls into."""
    cases, upto = [], 0
    for story in STORIES:
        upto += story[0]
        cases.append(f"WHEN {number} < {upto} THEN {column(story)}")
    return f"CASE {' '.join(cases)} END"


RECIPIENTS = """
INSERT INTO campaigns_recipient (id, campaign_id, contact_id, state, skip_reason, reached_by, next_step,
  next_step_reason, automatic)
SELECT id, campaign_id, contact_id, CASE disposition WHEN 'DELIVERED' THEN 'reached' WHEN 'PENDING' THEN 'open'
  WHEN 'UNKNOWN' THEN 'unknown' ELSE 'failed' END, '', CASE disposition WHEN 'DELIVERED' THEN channel ELSE '' END,
  'none', '', {yes}
FROM deliveries_message WHERE id > {low} AND id <= {high} ORDER BY id
"""
QUEUES = """
INSERT INTO deliveries_queueentry (message_id, queue, campaign_id, contact_id, channel, status, disposition,
  reason_code, carrier, list_source_id, at, reason)
SELECT id, {queue}, campaign_id, contact_id, channel, status, disposition, reason_code, carrier, list_source_id,
  updated_at, 'Made by a benchmark.'
FROM deliveries_message WHERE disposition NOT IN ('DELIVERED', 'PENDING') ORDER BY id
"""


def _recipients(count: int) -> None:
    with rows.unindexed("campaigns_recipient"):
        for low in range(0, count, rows.STEP):
            rows.execute(RECIPIENTS.format(yes=rows.yes(), low=low, high=low + rows.STEP))
    rows.next_ids("campaigns_recipient")


def _queues() -> None:
    found = {disposition(*meaning[:3], "exposure"): queue for _, meaning, _, queue in STORIES if queue}
    cases = " ".join(f"WHEN '{bucket}' THEN '{queue}'" for bucket, queue in found.items())
    rows.execute(QUEUES.format(queue=f"CASE disposition {cases} END"))
