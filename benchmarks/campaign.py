"""One campaign from its launch to its last receipt: `--only campaign --rows 1000000` for a million people.

Every process is a real one: web, recording, deciding and the rest, two that send, and a provider with four accounts, in
four countries, that answer after 20, 50, 100 and 200 ms, one of which answers nothing for a while. It posts two
receipts for every message.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import time as clock
from urllib.request import Request, urlopen

from django.db import connection
from django.utils import timezone

from benchmarks import rows, serving
from benchmarks.measuring import Figure, Options, tell
from benchmarks.sending import ask
from campaigns.models import Campaign
from deliveries.ledger import tallies
from deliveries.models import Account, Message, Outbox, PendingReceipt, Route, StatusChange, TallyDelta

COUNTRIES = {"US": 20, "CA": 50, "GB": 100, "DE": 200}  # milliseconds
AT_A_TIME = 50  # calls to each account
SENDERS = 2  # processes
AWAY = 50  # the account of so many milliseconds answers nothing ...
AWAY_SECONDS = 20  # ... for so long, once a quarter was sent
SECRET = "secret"
PATIENCE = 7_200.0  # seconds


def run(options: Options) -> Iterator[Figure]:
    campaign = _prepare(options.rows)
    with ExitStack() as stack:
        provider = serving.free_port()
        web = serving.free_port()
        urls = {
            "TWILIO_URL": f"http://127.0.0.1:{provider}",
            "PUBLIC_URL": f"http://127.0.0.1:{web}",
            "LOG_LEVEL": "ERROR",
        }
        start = stack.enter_context
        start(
            serving.running(
                "-m", "benchmarks.provider", str(provider), "0", "--receipts", SECRET, port=provider
            )
        )
        start(serving.running("manage.py", "web", port=web, **urls, PORT=str(web)))
        for roles in ("record", "decide,rest", *["send"] * SENDERS):
            start(serving.running("manage.py", "drain", "--forever", "--role", roles, **urls))
        Campaign.objects.filter(pk=campaign.pk).update(
            state=Campaign.State.LAUNCHING, launched_at=timezone.now()
        )
        began = time.monotonic()
        sent, ended = _watch(campaign, provider, began)
        counts = ask(provider, "counts")
    yield from _figures(options, campaign, counts, sent, ended)


def _prepare(people: int) -> Campaign:
    of = rows.world()
    rows.contacts(of, people)
    names = list(COUNTRIES)
    rows.execute(f"UPDATE contacts_address SET region = {rows.one_of(names, f'id % {len(names)}')}")
    for country, delay in COUNTRIES.items():
        account = Account.objects.create(
            name=f"Carrier of {country}", provider="twilio", channels=["sms"], at_a_time=AT_A_TIME,
            credentials={"account_sid": f"AC{delay}ms", "auth_token": SECRET},
        )  # fmt: skip
        Route.objects.create(channel="sms", country=country, account=account)
    campaign = of.campaigns[0]
    campaign.lists.set(of.sources[:1])
    Campaign.objects.update(purpose="service", window_start=clock(0), window_end=clock.max)
    Campaign.objects.exclude(pk=campaign.pk).update(state=Campaign.State.COMPLETED)
    rows.settle_down()
    return campaign


def _watch(campaign: Campaign, provider: int, began: float) -> tuple[float, float]:
    """Seconds until the last message was handed over, and until nothing at all is left to do."""
    sent, away, said = 0.0, False, 0.0
    while time.monotonic() - began < PATIENCE:
        seconds = time.monotonic() - began
        launching = Campaign.objects.filter(state=Campaign.State.LAUNCHING).exists()
        waits = Outbox.objects.exists()
        if not sent and not launching and not waits:
            sent = seconds
        if not away and not launching and ask(provider, "counts")["messages"] > Message.objects.count() / 4:
            urlopen(Request(f"http://127.0.0.1:{provider}/away/{AWAY}?seconds={AWAY_SECONDS}", b"x")).close()
            away = True
        if sent and not _waits(campaign):
            return sent, seconds
        if seconds > said + 10:
            said = seconds
            tell(
                f"  {seconds:.0f} s: {ask(provider, 'counts')['messages']:,} came, {Outbox.objects.count():,} wait"
            )
        time.sleep(0.5)
    return sent or PATIENCE, PATIENCE


def _waits(campaign: Campaign) -> bool:
    waiting = (PendingReceipt.objects, StatusChange.objects, TallyDelta.objects)
    undelivered = Message.objects.filter(campaign=campaign, delivered_at=None).exclude(handed_over_at=None)
    return any(each.exists() for each in waiting) or undelivered.exists()


def _figures(
    options: Options, campaign: Campaign, counts: dict, sent: float, ended: float
) -> Iterator[Figure]:
    connection.close()
    people = Message.objects.filter(campaign=campaign).count()
    limit = sum(AT_A_TIME * 1_000 / delay for delay in COUNTRIES.values())
    tallies.fold_all()
    wrong = sum(len(tallies.differences(tally)) for tally in tallies.MESSAGE_TALLIES)
    wanted = {
        "campaign: messages that did not arrive at the provider": people - counts["messages"],
        "campaign: messages handed over twice": counts["twice"],
        "campaign: messages without a final result": Message.objects.filter(
            campaign=campaign, settled_at=None
        ).count(),
        "campaign: cells of tallies that differ from the rows": wrong,
    }
    name = f"campaign: {people:,} messages handed over / what its carriers allow"
    rate = people / sent
    yield Figure("campaign", options.database, name, "messages/s", rate, limit, rate / limit)
    yield Figure("campaign", options.database, "campaign: until the last is handed over", "s", sent)
    yield Figure("campaign", options.database, "campaign: until the last receipt is recorded", "s", ended)
    for what, count in wanted.items():
        yield Figure(
            "campaign", options.database, what, "", count, None, count, count, count, 0, at_most=True
        )
