"""Reading forms and translating their words, in one process without a database."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measuring import Figure, Options, Rounds, timed
from benchmarks.receipts import HEADERS, callbacks
from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, Report

COUNT = 50_000


def run(options: Options) -> Iterator[Figure]:
    rounds = Rounds("translation", options, "receipts/s")
    twilio = PROVIDERS["twilio"]
    calls = [Call("POST", "", query, HEADERS, form) for query, form in callbacks(options.rows, COUNT, 1)]
    mapping = shipped()
    for _ in range(options.rounds):
        with timed() as clock:
            for call in calls:
                for fact in twilio.parse("status", call):
                    assert isinstance(fact, Report)
                    mapping.translate(twilio.slug, fact)
        rounds.add("ours", COUNT / clock.seconds)
    yield rounds.alone("parse and translate", "ours", 40_000)
