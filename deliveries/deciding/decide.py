"""What to do next about one recipient. Pure and total: facts and rules in, a decision out, no database, no clock.

The live engine and what the trail explains are this one function. The rules at the top bend for no playbook.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.steps import GIVE_UP_HOURS, LONGEST_WINDOW
from campaigns.steps import NextStep as Step
from campaigns.steps import RecipientState as State
from contacts.channels import Channel, Closed, strike_limit
from contacts.hours import next_open, zones_for
from deliveries.deciding.facts import Decided, Facts, Rules
from deliveries.statuses import Disposition, FailureClass, Fault, Queue, Status

ELSEWHERE = frozenset({Closed.TEXTING, Closed.CHANNEL})  # the number is right, and takes other channels
OURS = frozenset({Fault.SENDER, Fault.CONTENT, Fault.ACCOUNT})
ARRIVED = "It arrived. Watch replies separately."
PERMANENT = "The failure is permanent"
ASK_FOR_IT = "Find out the right one."
CORRECT_IT = "Retrying will fail again: correct the record."
# What is no failure of anything, and yet not what the campaign wanted.
UNMET: dict[str, str] = {
    Status.VOICEMAIL: "It reached a mailbox, so nobody was spoken to",
    Status.NO_ANSWER: "Nobody answered",
    Status.BUSY: "The line was busy",
}
UNREACHABLE = "nobody was reached there for too long"
OPTED_OUT = "The recipient opted out: nothing more is sent."
OPTED_OUT_ELSEWHERE = (
    "The recipient opted out of another channel since: nothing more is sent for this campaign."
)
OUTCOME_UNKNOWN = (Status.TIMED_OUT, Status.UNKNOWN)  # whether it arrived is not known
EVIDENCE_MISSING = (
    "Evidence missing: no receipts come from its account now. Nothing is concluded until they do."
)
LOOK_AGAIN = timedelta(minutes=15)  # whether they do
UNDER_WAY = "Under way. A delay is not a failure."
NEVER_OPEN = "no hour is permitted in all of the time zones where the person may be"


# An attempt this old is followed by nothing any more, nor does it wait in a queue for somebody to send it once more.
HISTORY = timedelta(hours=LONGEST_WINDOW)
# Nothing is retried or moved to another channel by itself for an attempt this old, where it was read anew, or answered
# with a no by somebody who opted in again since: by then the carriers have given it up too.
STILL_WORTH_IT = timedelta(hours=GIVE_UP_HOURS)


def decide(facts: Facts, rules: Rules, now: datetime) -> Decided:
    """The next step for a recipient, in its reason's words. Never raises, never guesses.

    The order is the order of the rules' strength: what has arrived, what the person asked for, what has ended,
    what is still under way, what must not be repeated, and last what may.
    """
    decided = _decide(facts, rules, now)
    return _unasked(decided, facts) if facts.suppressed else decided


def _decide(facts: Facts, rules: Rules, now: datetime) -> Decided:
    if facts.reached_by:
        return _until_silent(Decided("arrived", Step.NONE, State.REACHED, ARRIVED), facts, rules, now)
    here = facts.opted_out_here or facts.disposition == Disposition.OPTOUT
    if here or facts.opted_out_since:
        why = OPTED_OUT if here else OPTED_OUT_ELSEWHERE
        return _until_silent(Decided("opted-out", Step.NONE, State.FAILED, why), facts, rules, now)
    if facts.disposition == Disposition.PENDING:
        return _while_pending(facts, rules, now)
    if facts.disposition == Disposition.BOUNCED_HARD and facts.fault not in OURS:
        decided = _permanent(facts, rules, now)
    elif now >= _history_from(facts):
        return _history(facts)
    elif facts.disposition == Disposition.BLOCKED_COMPLIANCE or facts.fault in OURS:
        decided = _ours_to_fix(facts, now)
    elif facts.disposition == Disposition.PENDING_RETRY:
        decided = _temporary(facts, rules, now)._replace(suppress=facts.unreachable and not facts.suppressed)
    else:
        decided = _unknown(facts, rules, now)
    leaves = decided.queue in (Queue.RETRY, Queue.SWITCH, Queue.REVIEW, Queue.WATCH) and not decided.due_at
    return decided._replace(look_at=_history_from(facts)) if leaves else decided


def _unasked(decided: Decided, facts: Facts) -> Decided:
    """Nobody is asked to do anything about an address that may not be written to. It is decided anew once it may.

    What another channel can still do stays, and so does what is ours to correct.
    """
    elsewhere = decided.switch_to or (decided.step == Step.SWITCH and not facts.suppressed_everywhere)
    asks = decided.rule == "blocked" or decided.step in (Step.RETRY, Step.SWITCH, Step.CORRECT, Step.VERIFY)
    if facts.asks_for_address and decided.step == Step.CORRECT:
        return decided  # nothing is sent there for it: somebody finds out the right address
    if decided.queue == Queue.WATCH:
        decided = decided._replace(queue="")
    if elsewhere or not asks:
        return decided
    unknown = decided.state == State.UNKNOWN
    why = facts.reason or (
        "Whether it arrived is not known" if facts.status in OUTCOME_UNKNOWN else "It did not arrive"
    )
    return decided._replace(
        rule="suppressed", step=Step.NONE, state=State.UNKNOWN if unknown else State.FAILED, queue="", due_at=None,
        look_at=facts.suppressed_until, reason=f"{why}. It is suppressed there: nothing more is sent.",
    )  # fmt: skip


def _until_silent(decided: Decided, facts: Facts, rules: Rules, now: datetime) -> Decided:
    """Nothing more is sent, but the last attempt may be under way: its silence, too, becomes unknown one day."""
    if facts.disposition != Disposition.PENDING or facts.handed_over_at is None:
        return decided
    ends = rules.times_out_at(facts.handed_over_at)
    return decided._replace(give_up=True) if now >= ends else decided._replace(look_at=ends)


def _history_from(facts: Facts) -> datetime:
    return (facts.handed_over_at or facts.settled_at or facts.first_attempt_at) + HISTORY


def _history(facts: Facts) -> Decided:
    """What is learnt about a contact in autumn must not send them summer's sale."""
    state = State.UNKNOWN if facts.disposition == Disposition.UNKNOWN else State.FAILED
    why = facts.reason or "It did not arrive, as far as is known"
    return Decided("history", Step.NONE, state, f"{why}. That is two weeks ago: nothing more is sent for it.")


def _usable(facts: Facts, moment: datetime) -> tuple[str, ...]:
    """The channels a further attempt may still use at `moment`: none once the last attempt is history."""
    if facts.ended or (facts.relevant_until is not None and moment >= facts.relevant_until):
        return ()
    return () if moment >= _history_from(facts) else facts.alternatives


def _opens(facts: Facts, moment: datetime) -> datetime | None:
    """`moment`, or when the recipient's hours open next after it; None when they never do."""
    if not Channel(facts.channel).keeps_hours:
        return moment
    return next_open(moment, zones_for(facts.zone), *facts.window, facts.laws)


def _hours(duration: timedelta) -> str:
    return f"{round(duration.total_seconds() / 3600)} h"


def _name(channel: str) -> str:
    return "email" if channel == Channel.EMAIL else Channel(channel).label


def _while_pending(facts: Facts, rules: Rules, now: datetime) -> Decided:
    """Delay is timing, not failure. It becomes a risk, then a reason to use another channel, then unknown."""
    if facts.handed_over_at is None:
        return Decided("planned", Step.WAIT, State.PLANNED, "Waiting to be sent.")
    if facts.evidence_missing:
        return Decided("evidence-missing", Step.WAIT, State.OPEN, EVIDENCE_MISSING, due_at=now + LOOK_AGAIN)
    age = now - facts.handed_over_at
    usable = _usable(facts, now)
    slow = facts.status == Status.DELAYED or age >= rules.at_risk
    if usable and facts.urgent and slow:
        return Decided(
            "urgent-delay", Step.SWITCH, State.OPEN,
            f"Urgent and delayed: moving to {_name(usable[0])} meanwhile{_likeliest(facts)}.",
            due_at=now, queue=Queue.SWITCH, switch_to=usable[0],
        )  # fmt: skip
    if usable and age >= rules.switch_after:
        return _switch("undelivered", facts, usable, now, f"Not delivered after {_hours(rules.switch_after)}")
    if now >= rules.times_out_at(facts.handed_over_at):
        return Decided(
            "silence", Step.VERIFY, State.UNKNOWN,
            f"No word for {_hours(rules.give_up)}. Silence is neither success nor failure.",
            queue=Queue.WATCH, give_up=True,
        )  # fmt: skip
    if age >= rules.at_risk:
        return Decided(
            "at-risk", Step.WAIT, State.OPEN,
            f"{'Delayed' if facts.status == Status.DELAYED else 'Silent'} for more than"
            f" {_hours(rules.at_risk)}: at risk.",
            due_at=facts.handed_over_at + rules.next_look(age), queue=Queue.WATCH,
        )  # fmt: skip
    return Decided(
        "under-way", Step.WAIT, State.OPEN, UNDER_WAY,
        due_at=facts.handed_over_at + rules.next_look(age),
    )  # fmt: skip


def _ours_to_fix(facts: Facts, now: datetime) -> Decided:
    """Compliance, content, account and sender faults: stop, review, and never count them against the contact.

    What an account or a sender was refused for, another route may take.
    """
    what = {
        FailureClass.CONTENT: "The content was refused",
        FailureClass.ACCOUNT: "The provider account was refused",
        FailureClass.COMPLIANCE: "Refused by a compliance rule",
    }.get(FailureClass(facts.failure_class), "Refused for a fault on our side")
    why = f" ({facts.reason})" if facts.reason else ""
    due = _opens(facts, max((facts.settled_at or now) + facts.pass_on_after, now))
    too_late = due is None or (facts.relevant_until is not None and due >= facts.relevant_until)
    if facts.next_route and not (facts.ended or facts.blocked or too_late):
        return Decided(
            "next-route", Step.RETRY, State.OPEN, f"{what}{why}: sent again by {facts.next_route}.",
            due_at=due, queue=Queue.RETRY,
        )  # fmt: skip
    advice = "Fix it before anything is sent again."
    if facts.fault == Fault.RECIPIENT and facts.failure_class == FailureClass.COMPLIANCE:
        advice = "It is about the person: suppress them, or send again only with their consent."
    return Decided("ours-to-mend", Step.REVIEW, State.FAILED, f"{what}{why}. {advice}", queue=Queue.REVIEW)


def _permanent(facts: Facts, rules: Rules, now: datetime) -> Decided:
    """Never again to this address on this channel. Another channel at once: waiting cannot help here."""
    why = facts.reason or PERMANENT
    blamed = facts.fault == Fault.RECIPIENT
    enough = strike_limit(facts.channel, rules.strikes, facts.enough)
    strikes = blamed and facts.hard_fails >= enough
    suppress = strikes and not facts.suppressed
    usable = _usable(facts, now)
    if facts.replaced and not facts.ended:
        if now >= _history_from(facts):
            return Decided(
                "corrected", Step.NONE, State.FAILED, f"{why}. The address has been corrected since."
            )
        return Decided(
            "corrected", Step.RETRY, State.FAILED, f"{why}. The address has been corrected since: retry by hand.",
            queue=Queue.RETRY,
        )  # fmt: skip
    if usable:
        decided = _switch("permanent", facts, usable, now, why)
        return decided._replace(queue=_where_permanent(facts, rules), suppress=suppress)
    if _takes_others(facts) or (_record_is_right(facts) and not strikes):
        return _elsewhere(facts, why, now)._replace(suppress=suppress)
    if strikes:
        because = (
            f"{why}. {_in_a_row(facts.hard_fails)}: the address is suppressed on {_name(facts.channel)}."
        )
        if _record_is_right(facts):
            return Decided("strikes", Step.SUPPRESS, State.FAILED, because, suppress=suppress)
        return Decided(
            "strikes", Step.CORRECT, State.FAILED, f"{because} {ASK_FOR_IT}",
            queue=Queue.CORRECT, suppress=suppress,
        )  # fmt: skip
    return Decided(
        "permanent", Step.CORRECT, State.FAILED, f"{why}. {CORRECT_IT}",
        queue=_where_permanent(facts, rules),
    )  # fmt: skip


def _elsewhere(facts: Facts, why: str, now: datetime) -> Decided:
    """The record is right, and other channels may work, though the playbook names none that could be used."""
    if facts.ended:
        return Decided("ended", Step.NONE, State.FAILED, f"{why}. Nothing more is sent.")
    if now >= _history_from(facts):
        return _history(facts)
    other = "send it as a text message" if facts.channel == Channel.MMS else "use another channel"
    if facts.closed == Closed.TEXTING:
        other = "call it, or write an email"
    address = "address" if facts.channel == Channel.EMAIL else "number"
    return Decided(
        "other-channel",
        Step.SWITCH,
        State.FAILED,
        f"{why}. The {address} itself is fine: {other}.",
        queue=Queue.SWITCH,
    )


def _in_a_row(failures: int) -> str:
    return "A permanent failure" if failures == 1 else f"{failures} permanent failures in a row"


def _takes_others(facts: Facts) -> bool:
    """Whether the number is known to take other channels, and not this one."""
    return facts.closed in ELSEWHERE


def _record_is_right(facts: Facts) -> bool:
    return is_record_right(facts.closed, facts.fault, facts.status)


def is_record_right(closed: str, fault: str, status: str) -> bool:
    """Whether a permanent failure leaves nothing to correct: the number takes other channels, the carrier cannot do it,
    or somebody blocks it."""
    return closed in ELSEWHERE or fault == Fault.CARRIER or status == Status.BLOCKED


def _where_permanent(facts: Facts, rules: Rules) -> str:
    if _takes_others(facts):
        return Queue.SWITCH
    enough = strike_limit(facts.channel, rules.strikes, facts.enough)
    if facts.suppressed and not facts.asks_for_address:
        return ""
    if facts.fault == Fault.RECIPIENT and facts.hard_fails >= enough:
        # Another channel takes over, so a colleague is asked only where it is certain, or worth it.
        return Queue.CORRECT if facts.closed == Closed.NUMBER or facts.valuable else ""
    if _record_is_right(facts):
        return Queue.SWITCH
    one_more = facts.fault == Fault.RECIPIENT and facts.hard_fails == enough - 1
    return Queue.SUPPRESS if one_more else Queue.CORRECT


def _temporary(facts: Facts, rules: Rules, now: datetime) -> Decided:
    """Retry inside the window; after it, another channel; else it waits for a person."""
    why = facts.reason or UNMET.get(facts.status, "The failure is temporary")
    retries, pause = rules.retrying(facts.hindrance)
    due = _opens(facts, max((facts.settled_at or now) + pause, now))
    closes = facts.channel_since + rules.retry_window
    unreachable = facts.unreachable and (not facts.suppressed or facts.asks_for_address)
    blocked = (UNREACHABLE if unreachable else facts.blocked) or ("" if due else NEVER_OPEN)
    if facts.ended:
        return Decided("ended", Step.NONE, State.FAILED, f"{why}. Nothing more is sent.")
    if due is not None and facts.relevant_until is not None and due >= facts.relevant_until:
        return Decided("too-late", Step.NONE, State.FAILED, f"{why}. The message would come too late.")
    if due is not None and facts.attempts <= retries and due <= closes and not blocked:
        return Decided(
            "retry", Step.RETRY, State.OPEN, f"{why}. Retry {facts.attempts} of {retries}.",
            due_at=due, queue=Queue.RETRY,
        )  # fmt: skip
    switch_at = _switch_at(facts, rules, now)
    usable = _usable(facts, switch_at)
    if usable:
        return _switch(
            "undelivered", facts, usable, switch_at, f"{why}, and {_no_retry(facts, retries, blocked)}"
        )
    if blocked:
        wrong = facts.needs_correction or unreachable
        step, queue = (Step.CORRECT, Queue.CORRECT) if wrong else (Step.NONE, "")
        return Decided("blocked", step, State.FAILED, f"{why}. No retry: {blocked}.", queue=queue)
    return Decided(
        "exhausted", Step.RETRY, State.FAILED,
        f"{why}. The automatic retries are used up; retry by hand if it is still worth it.", queue=Queue.RETRY,
    )  # fmt: skip


def _no_retry(facts: Facts, retries: int, blocked: str) -> str:
    """Why there is no retry before the change of channel."""
    if blocked:
        return "a retry is not allowed"
    if facts.attempts > retries:
        return "the retries are used up" if retries else "nothing is retried"
    return "a retry would come too late"


def _unknown(facts: Facts, rules: Rules, now: datetime) -> Decided:
    """Timed out, or reported with a code nobody has mapped: no retry, for it may have arrived."""
    why = facts.reason or (
        "No word from the provider"
        if facts.status == Status.TIMED_OUT
        else "The provider gave no usable reason"
    )
    switch_at = _switch_at(facts, rules, now)
    usable = _usable(facts, switch_at)
    if usable:
        return _switch("undelivered", facts, usable, switch_at, why)._replace(state=State.UNKNOWN)
    if facts.status not in OUTCOME_UNKNOWN:
        return Decided(
            "unexplained", Step.VERIFY, State.UNKNOWN, f"{why}. Whether it would fail again is not known.",
            queue=Queue.WATCH,
        )  # fmt: skip
    return Decided(
        "unknown", Step.VERIFY, State.UNKNOWN, f"{why}. Whether it arrived is not known.", queue=Queue.WATCH
    )


def _switch_at(facts: Facts, rules: Rules, now: datetime) -> datetime:
    return now if facts.urgent else max(now, facts.first_attempt_at + rules.switch_after)


def _switch(rule: str, facts: Facts, usable: tuple[str, ...], due: datetime, why: str) -> Decided:
    return Decided(
        f"{rule}-switch", Step.SWITCH, State.OPEN, f"{why}: moving to {_name(usable[0])}{_likeliest(facts)}.",
        due_at=due, queue=Queue.SWITCH, switch_to=usable[0],
    )  # fmt: skip


def _likeliest(facts: Facts) -> str:
    """Why that one, where the channels are chosen for each person."""
    return f", the likeliest to arrive ({facts.compared})" if facts.compared else ""
