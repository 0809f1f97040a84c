"""An opt-out that is committed before a message is claimed wins, however close the two come to each other.

Only where several can write at once. `OPT_OUT_TRIES` says how many opt-outs are tried; more of them prove more.
"""

from __future__ import annotations

import io
import itertools
import os
import random
import threading
import time
from collections.abc import Sequence
from datetime import time as clock
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from contacts.consenting import record_opt_out, record_request
from contacts.models import Contact
from contacts.phones import NotAPhone, e164
from contacts.suppressing import suppress
from deliveries.deciding.stopping import apply_blocking_list, stop_paths
from deliveries.models import Account, Message, Outbox
from deliveries.receiving.storing import Incoming, store
from deliveries.receiving.unsubscribing import ON_PAGE, turn_off, unsubscribe
from deliveries.sending import claiming, dispatch
from tests import engine, factories
from tests.engine import Fake, person, rebuild, sending, waiting

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="one writes after the other"),
]

TRIES = int(os.environ.get("OPT_OUT_TRIES", "40"))
TOGETHER = 20  # people whose messages are claimed in one transaction, while they opt out one after the other


class Said(NamedTuple):
    """Whose message, which way it was said, and when it was committed, on the monotonic clock."""

    message: Message
    how: str
    committed_at: float


# ---- The ways to say it. Each is committed when it returns. ----


def replied(message: Message, inbound: Account) -> None:
    """The answer to the provider goes out once the text is stored, and nothing is recorded yet."""
    query = urlencode({"from": message.address.value, "to": "20100", "text": "STOP"})
    store([Incoming(inbound.pk, "inbound", timezone.now(), "GET", query, {}, b"")])


def recorded(message: Message, inbound: Account) -> None:
    now, value = timezone.now(), message.address.value
    with transaction.atomic():
        record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now)
        stop_paths([value], now)


def by_link(message: Message, inbound: Account) -> None:
    unsubscribe(message, timezone.now(), ON_PAGE)


def on_the_page_of_choices(message: Message, inbound: Account) -> None:
    turn_off(message, "sms", timezone.now())


def told_a_colleague(message: Message, inbound: Account) -> None:
    record_request(contact=message.contact, evidence="By phone", by=None, now=timezone.now())


def entered_as_a_block(message: Message, inbound: Account) -> None:
    suppress(value=message.address.value, reason="staff", origin="staff", evidence="x", now=timezone.now())


def on_an_uploaded_list(message: Message, inbound: Account) -> None:
    file = io.BytesIO(f"phone\n{message.address.value}\n".encode())
    done = apply_blocking_list(file, reason="asked", source="Old system", region="US", now=timezone.now())
    assert done.written, done.refused


HOW = [
    replied,
    recorded,
    by_link,
    on_the_page_of_choices,
    told_a_colleague,
    entered_as_a_block,
    on_an_uploaded_list,
]


def is_given_out(number: str) -> bool:
    try:
        return e164(number, "US") == number
    except NotAPhone:
        return False


class Race:
    """Rounds of people who opt out while their messages are claimed. `lost`: who was written to all the same though
    they had said it before the claim was committed; `in_time` and `too_late`: how the others fared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "rebuild", lambda: None)  # once a round is enough
        self.dice = random.Random(7)
        self.account = factories.account()
        self.inbound = factories.account("kannel", credentials={"url_secret": "x"})
        self.campaign = sending("sms", window_start=clock(0), window_end=clock.max)
        self.claimed_at = 0.0
        possible = map(factories.phone_number, itertools.count())
        self.numbers = filter(is_given_out, possible)
        self.lost: list[str] = []
        self.in_time = self.too_late = 0
        claim_due = dispatch.claim_due

        def noting(*args, **kwargs):
            found = claim_due(*args, **kwargs)
            self.claimed_at = time.monotonic()  # its transaction is committed after this
            return found

        monkeypatch.setattr(dispatch, "claim_due", noting)

    def round(self) -> None:
        now = timezone.now()
        messages = [waiting(self.campaign, self.account, now, self._somebody()) for _ in range(TOGETHER)]
        rebuild()
        said: list[Said] = []
        both = threading.Barrier(2)
        thread = threading.Thread(target=self._say_no, args=(messages, said, both))
        thread.start()
        both.wait(timeout=30)
        before = self.dice.randrange(TOGETHER)  # so many are done, and the next is at it
        while len(said) < before and thread.is_alive():
            time.sleep(0.0005)
        carriers = Fake()
        dispatch.dispatch(timezone.now(), carriers)
        thread.join(timeout=60)
        assert len(said) == TOGETHER
        left = {out.ref for out in carriers.left}
        for one in said:
            if str(one.message.uuid) not in left:
                self.in_time += 1
            elif one.committed_at < self.claimed_at:
                self.lost.append(f"{one.how}: {self.claimed_at - one.committed_at:.4f} s before the claim")
            else:
                self.too_late += 1
        dispatch.dispatch(timezone.now(), carriers)  # what was not claimed in the first turn
        after = {out.ref for out in carriers.left} - left
        self.lost += [f"{one.how}: claimed long after" for one in said if str(one.message.uuid) in after]

    def _somebody(self) -> Contact:
        """With a number that an upload takes for one: not every area code is given out."""
        made = person("sms", at=timezone.now())
        made.addresses.update(**dict.fromkeys(("value", "match_key"), next(self.numbers)))
        return made

    def _say(self, message: Message) -> None:
        try:
            replied(message, self.inbound)
        finally:
            connections.close_all()

    def _say_no(self, messages: Sequence[Message], said: list[Said], both: threading.Barrier) -> None:
        try:
            both.wait(timeout=30)
            for message in self.dice.sample(messages, len(messages)):
                how = self.dice.choice(HOW)
                how(message, self.inbound)
                said.append(Said(message, how.__name__, time.monotonic()))
        finally:
            connections.close_all()


def test_an_opt_out_committed_before_the_claim_always_wins(monkeypatch):
    race = Race(monkeypatch)

    for _ in range(-(-TRIES // TOGETHER)):
        race.round()

    print(f"{race.in_time} in time, {race.too_late} after the claim, {len(race.lost)} lost")
    assert race.lost == [], race.lost
    assert race.in_time


def test_a_stop_that_is_stored_while_the_claim_is_made_wins(monkeypatch):
    """In whatever moment of it: after the gate has looked, and before anybody could know."""
    race = Race(monkeypatch)
    now = timezone.now()
    message = waiting(race.campaign, race.account, now, race._somebody())
    other = waiting(race.campaign, race.account, now, race._somebody())
    rebuild()
    ask = claiming.check

    def stored_meanwhile(*args, **kwargs):
        verdicts = ask(*args, **kwargs)
        monkeypatch.setattr(claiming, "check", ask)
        thread = threading.Thread(target=race._say, args=(message,))
        thread.start()
        thread.join(30)
        return verdicts

    monkeypatch.setattr(claiming, "check", stored_meanwhile)
    carriers = Fake()

    dispatch.dispatch(now, carriers)

    assert [out.ref for out in carriers.left] == [str(other.uuid)]
    assert not Outbox.objects.exists()
    assert Message.objects.get(pk=message.pk).status == "canceled"
