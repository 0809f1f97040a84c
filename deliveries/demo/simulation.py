"""The ordinary work under a simulated clock, with the simulated carriers in the place of the network.

Nothing here records, decides or sends by itself: it moves the clock to the next moment at which something
happens, delivers the callbacks of that moment by the receiver's own door, and lets the ordinary code do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from campaigns.models import Campaign, Recipient
from deliveries.deciding.followup import follow_due, follow_status_changes
from deliveries.ledger.tallies import fold_all
from deliveries.meaning import drift, occurrences
from deliveries.models import Account, Outbox
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.providers.kit.signatures import without_secret
from deliveries.providers.sandbox.adapter import send_result
from deliveries.providers.sandbox.attempt import Callback
from deliveries.providers.sandbox.network import Network
from deliveries.receiving.recording import record_all, unpark
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import expansion, guarding, launching, leaving_out
from deliveries.sending.dispatch import dispatch, recover
from deliveries.sending.transport import Answered, Claimed, Transport

STEP = timedelta(minutes=15)
# In the days after a launch something happens every few minutes, and nearly all of the work of a step is the same for
# one thing as for a hundred: while next to nothing happens, steps are longer.
LONG_STEP, FEW = timedelta(hours=1), 20  # callbacks
CLAIM = 2_000


class SimulatedTransport(Transport):
    """Hands messages to the network directly, at the simulated moment."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.now: datetime

    def hand_over(self, claimed: Sequence[Claimed]) -> list[Answered]:
        return [self._submit(each) for each in claimed]

    def _submit(self, claimed: Claimed) -> Answered:
        message = claimed.outgoing
        if claimed.began:
            return Answered(claimed, _known(self.network, message.ref))
        answer = self.network.submit(
            message.ref, message.channel, message.to, message.sender, message.body, message.callback, self.now,
            media_url=message.media_url, secret=claimed.account.credentials["secret"],
        )  # fmt: skip
        return Answered(claimed, None if answer.lost else send_result(answer._asdict()))


def _known(network: Network, ref: str):
    answers = network.lookup(ref).answers
    return send_result(answers[-1]._asdict()) if answers else None


class Simulation:
    """A world whose clock only moves when told to."""

    def __init__(self, network: Network, start: datetime) -> None:
        self.network = network
        self.now = start
        self.transport = SimulatedTransport(network)
        self._accounts = {account.token: account for account in Account.objects.filter(provider="sandbox")}

    def run_until(self, until: datetime, progress: Callable[[datetime], None] = lambda now: None) -> None:
        """Let everything happen that happens up to `until`."""
        received = FEW
        while (moment := self._next_moment()) is not None and moment <= until:
            self.now = min(max(moment, self.now) + (LONG_STEP if received < FEW else STEP), until)
            received = self.step()
            progress(self.now)
            if self.now == until:
                break
        self.now = until
        self.step()

    def step(self) -> int:
        """Everything that is due now, until nothing is; return how many callbacks there were."""
        self.transport.now = self.now
        received = self.receive()
        unpark(self.now)
        received += self._work()
        while self._guard():
            received += self._work()
        occurrences.count(self.now)
        drift.run(self.now)
        launching.complete(self.now)
        return received

    def _work(self) -> int:
        """All that follows from what was received; return how many callbacks came meanwhile."""
        received = 0
        record_all(self.now)
        while self._decide_and_send():
            received += self.receive()
            record_all(self.now)
        fold_all()
        return received

    def _guard(self) -> int:
        """Stop what does badly, let go on what may; 0 when nothing came of it."""
        done = guarding.run(self.now) + leaving_out.leave_out(self.now)
        return done + launching.hold_or_let_go(self.now)

    def _decide_and_send(self) -> bool:
        """What follows from what was recorded; whether that may have more to follow."""
        while follow_status_changes(self.now) or follow_due(self.now):
            pass
        sent = False
        for campaign in Campaign.objects.filter(state=Campaign.State.LAUNCHING):
            while expansion.expand(campaign, self.now):
                pass
        while self._is_due() and dispatch(self.now, self.transport, CLAIM).looked_at:
            sent = True
        return bool(recover(self.now, self.transport, CLAIM).looked_at) or sent

    def _is_due(self) -> bool:
        return Outbox.objects.filter(claimed_until=None, due_at__lte=self.now).exists()

    def receive(self) -> int:
        """The callbacks up to now, checked and stored as the receiver does it; return how many."""
        due = self.network.due(self.now)
        for start in range(0, len(due), 1_000):
            store([self._incoming(callback) for callback in due[start : start + 1_000]])
        return len(due)

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
