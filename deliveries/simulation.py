"""The ordinary work under a simulated clock, with the simulated carriers in the place of the network.

Nothing here records, decides or sends by itself: it moves the clock to the next moment at which something
happens, delivers the callbacks of that moment by the receiver's own door, and lets the ordinary code do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from campaigns.models import Campaign, Recipient
from deliveries.deciding.followup import follow_due, follow_moved
from deliveries.mappings import drift, sightings
from deliveries.models import Account, Outbox
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.providers.proving import without_secret
from deliveries.providers.sandbox import handover
from deliveries.providers.sandbox_network import Callback, Network
from deliveries.receiving.recording import record_all, unpark
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import expansion, launching
from deliveries.sending.dispatch import dispatch, recover
from deliveries.sending.transport import Answered, Claimed, Transport
from deliveries.tallies import fold_all

STEP = timedelta(minutes=15)
CLAIM = 500


class SimulatedTransport(Transport):
    """Hands messages to the network directly, at the simulated moment."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.now: datetime

    def hand_over(self, claimed: Sequence[Claimed]) -> list[Answered]:
        return [self._submit(each) for each in claimed]

    def find(self, claimed: Sequence[Claimed]) -> list[Answered]:
        return [Answered(each, _known(self.network, each.outgoing.ref)) for each in claimed]

    def _submit(self, claimed: Claimed) -> Answered:
        message = claimed.outgoing
        answer = self.network.submit(
            message.ref, message.channel, message.to, message.sender, message.body, message.callback, self.now,
            media_url=message.media_url, secret=claimed.account.credentials["secret"],
        )  # fmt: skip
        return Answered(claimed, None if answer.lost else handover(answer._asdict()))


def _known(network: Network, ref: str):
    answers = network.lookup(ref).answers
    return handover(answers[-1]._asdict()) if answers else None


class Simulation:
    """A world whose clock only moves when told to."""

    def __init__(self, network: Network, start: datetime) -> None:
        self.network = network
        self.now = start
        self.transport = SimulatedTransport(network)
        self._accounts = {account.token: account for account in Account.objects.filter(provider="sandbox")}

    def run_until(self, until: datetime, progress: Callable[[datetime], None] = lambda now: None) -> None:
        """Let everything happen that happens up to `until`."""
        while (moment := self._next_moment()) is not None and moment <= until:
            self.now = min(max(moment, self.now) + STEP, until)
            self.step()
            progress(self.now)
            if self.now == until:
                break
        self.now = until
        self.step()

    def step(self) -> None:
        """Everything that is due now, until nothing is."""
        self.transport.now = self.now
        busy = True
        while busy:
            self.receive()
            unpark(self.now)
            busy = bool(record_all(self.now).recorded)
            while follow_moved(self.now):
                busy = True
            while follow_due(self.now):
                busy = True
            for campaign in Campaign.objects.filter(state=Campaign.State.LAUNCHING):
                while expansion.expand(campaign, self.now):
                    busy = True
            while dispatch(self.now, self.transport, CLAIM).looked_at:
                busy = True
            recover(self.now, self.transport, CLAIM)
        fold_all()
        sightings.count(self.now)
        drift.run(self.now)
        launching.complete(self.now)

    def receive(self) -> None:
        """The callbacks up to now, checked and stored as the receiver does it."""
        due = self.network.due(self.now)
        for start in range(0, len(due), 1_000):
            store([self._incoming(callback) for callback in due[start : start + 1_000]])

    def _incoming(self, callback: Callback) -> Incoming:
        parts = urlsplit(callback.url)
        account = self._accounts[parts.path.split("/")[2]]
        adapter = PROVIDERS[account.provider]
        headers = {name.lower(): value for name, value in callback.headers.items()}
        if not adapter.verify(
            Call("POST", callback.url, parts.query, headers, callback.body), account.credentials
        ):
            raise ValueError(f"The simulated network signed {callback.url} wrongly.")
        kept = {name: value for name, value in headers.items() if name in adapter.headers_kept}
        query = without_secret(parts.query)
        return Incoming(account.pk, callback.kind, callback.at, "POST", query, kept, callback.body)

    def _next_moment(self) -> datetime | None:
        """When the next thing happens."""
        due = Outbox.objects.order_by("due_at").values_list("due_at", flat=True).first()
        step = Recipient.objects.filter(next_step_at__isnull=False).order_by("next_step_at")
        moments = [self.network.next_at(), due, step.values_list("next_step_at", flat=True).first()]
        return min(filter(None, moments), default=None)
