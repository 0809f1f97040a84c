"""What people sent and did: replies, keys pressed, opens and clicks. An opt-out among them holds at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from campaigns.call_keys import USUAL, LeftWith, keys_of
from contacts import opt_ins
from contacts.addresses import match_key
from contacts.answering import Asked, owe
from contacts.channels import Channel
from contacts.chunks import in_lists
from contacts.consenting import OptOut, record_opt_in, record_opt_outs
from contacts.keyword_changes import table_in_force
from contacts.keywords import REPLY, Keyword, Kind
from contacts.models import Contact, Reply
from deliveries.ledger import engagement
from deliveries.ledger.events import clip
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.models import Account, Engagement, MachineWhy, Message, Receipt
from deliveries.providers.facts import Act, Inbound
from deliveries.receiving import answers, machines, replies
from deliveries.receiving.matching import MessageFinder
from deliveries.receiving.writers import Writer, writer_of


def handle_inbound(inbound: Sequence[tuple[ClaimedReceipt, int, Inbound]]) -> dict[int, str]:
    """Act on what people sent: keywords change consent and suppression at once. Returns trouble by receipt.

    In the order in which it came. Opt-outs are recorded together, unless the next text can tell the difference.
    """
    if not inbound:
        return {}
    known = _known_texts(inbound)
    trouble: dict[int, str] = {}
    providers = Account.objects.providers()
    table = table_in_force()
    opt_outs: list[OptOut] = []
    asked: list[Asked] = []
    rows: list[Engagement] = []
    written: list[Reply] = []
    for waiting, place, text in inbound:
        native = (waiting.account_id, text.channel, text.provider_message_id[:80])
        if native in known:
            continue  # come once more, it counts no second time: a START of last week must not lift today's STOP
        if native[2]:
            known.add(native)
        writer = writer_of(text, waiting.account_id)
        if not {match_key(one.value) for one in opt_outs}.isdisjoint(map(match_key, writer.values)):
            _opt_out(opt_outs, asked)
        keyword = replies.understood(text, writer, table)
        asked += answers.asked_for(waiting, text, keyword, writer, providers.get(waiting.account_id, ""))
        at = _written_at(waiting, text)
        theirs, kind = _understand(text, writer, keyword, at)
        opt_outs += theirs
        written += replies.rows_of(waiting, text, keyword, kind, at, writer)
        # An opt-out counts for everybody there; who wrote anything else is not known where several share the address.
        whose = writer.contacts if kind == "stop" else writer.one_or_all
        rows += [
            Engagement(
                contact_id=contact, message_id=writer.message, receipt_id=waiting.id, place=place,
                channel=text.channel, kind=kind, text=clip(text.text, 2_000), native_id=native[2],
                shared=writer.contact is None, at=at,
            )
            for contact in whose
        ]  # fmt: skip
        if not writer.contacts:  # a STOP counts all the same: they may be added later
            trouble[waiting.id] = "Sent by an address that no contact has."
    _opt_out(opt_outs, asked)
    _engage(rows, replies.keep(written))
    return trouble


def _understand(text: Inbound, writer: Writer, keyword: Keyword, at: datetime) -> tuple[list[OptOut], Kind]:
    """What one text asks for: the opt-outs to record, and what kind of text it is. A wish to start again is done."""
    words = clip(text.text, 500)
    # What a person looks at, and may judge otherwise, is recorded for this reply alone.
    fact = replies.fact_of(text, at) if keyword.review or writer.guessed else ""
    if keyword.kind == "stop":
        return [OptOut(each, text.channel, "Reply", words, at, fact=fact) for each in writer.values], "stop"
    if keyword.kind == "start" and (writer.guessed or _may_be_forged(text, writer)):
        return [], "reply"
    if keyword == REPLY:
        _confirm(text, writer, at)
    if keyword.kind == "start":
        for value in writer.values:
            record_opt_in(value=value, channel=text.channel, how="Reply", evidence=words, at=at)
    return [], keyword.kind


def _confirm(text: Inbound, writer: Writer, at: datetime) -> None:
    """A yes by text to our question whether they agreed, where that is the last thing we wrote there. To anything else
    it is a reply like every other."""
    if text.channel == Channel.EMAIL or writer.guessed or writer.message or not opt_ins.says_yes(text.text):
        return
    keys = {match_key(value) for value in writer.values}
    question = opt_ins.open_question(keys, answers.written_to(text), at)
    if question is None:
        return
    later = Message.objects.filter(address__match_key__in=keys, handed_over_at__gt=question.begun_at)
    if not later.exists():
        opt_ins.confirm_by_reply(question, clip(text.text, 80), at)


def _may_be_forged(text: Inbound, writer: Writer) -> bool:
    """Anybody can write mail in the name of another: only an answer to our own, or the provider's word, lifts a no."""
    return text.channel == Channel.EMAIL and writer.message is None and not text.opt_out_type


def _written_at(waiting: ClaimedReceipt, text: Inbound | Act) -> datetime:
    return min(text.occurred_at or waiting.received_at, waiting.received_at)


def _known_texts(inbound: Sequence[tuple[ClaimedReceipt, int, Inbound]]) -> set[tuple[int, str, str]]:
    """(account, channel, provider's id) of the texts among these that we know already. Two queries."""
    ids = {text.provider_message_id[:80] for _, _, text in inbound} - {""}
    rows = [
        row
        for part in in_lists(ids)
        for row in Engagement.objects.filter(native_id__in=part).values_list(
            "receipt_id", "channel", "native_id"
        )
    ]
    accounts: dict[int | None, int] = {}
    for part in in_lists({receipt for receipt, *_ in rows if receipt}):
        accounts |= dict(Receipt.objects.filter(pk__in=part).values_list("pk", "account_id"))
    return {(accounts[receipt], channel, native) for receipt, channel, native in rows if receipt in accounts}


def _opt_out(opt_outs: list[OptOut], asked: list[Asked]) -> None:
    """Owe the answers asked for and record the opt-outs, and empty the lists."""
    from deliveries.deciding.stopping import stop_paths

    owe(asked)
    asked.clear()
    if opt_outs:
        record_opt_outs(opt_outs)
        stop_paths({one.value for one in opt_outs}, max(one.at for one in opt_outs))
        opt_outs.clear()


def record_engagement(acts: Sequence[tuple[ClaimedReceipt, int, Act]]) -> set[int]:
    """Keep what was done with our messages; a key that means "stop" is an opt-out. Returns the receipts of acts
    whose message nobody knows."""
    if not acts:
        return set()
    finder = MessageFinder([(waiting, act) for waiting, _, act in acts])
    found = [(waiting, place, act, finder.find(waiting, act)) for waiting, place, act in acts]
    messages = Message.objects.select_related("address").in_bulk({m[0] for *_, m in found if m})
    keys = keys_of(
        _left_with(messages[known[0]]) for *_, act, known in found if known and act.kind == "key_press"
    )
    rows = []
    opt_outs: list[OptOut] = []
    for waiting, place, act, known in found:
        if known is None:
            continue
        message = messages[known[0]]
        at = _written_at(waiting, act)
        kind, why = act.kind, _machine(act, message, at)
        if act.kind == "key_press" and keys.get(_left_with(message), USUAL).meaning(act.text) == "stop":
            words = f"Pressed {clip(act.text, 500)}"
            opt_outs.append(OptOut(message.address.value, message.channel, "Key press", words, at))
        rows.append(
            Engagement(
                contact_id=message.contact_id, message_id=message.pk, receipt_id=waiting.id, place=place,
                channel=message.channel, kind=kind, text=clip(act.text, 2_000),
                machine=act.machine or bool(why), machine_why=why, at=at,
            )
        )  # fmt: skip
    _opt_out(opt_outs, [])
    _engage(rows)
    return {waiting.id for waiting, _, _, known in found if known is None}


def _left_with(message: Message) -> LeftWith:
    return message.campaign_id, message.content_version


def _machine(act: Act, message: Message, at: datetime) -> str:
    """By what it is taken for a machine's, where the provider says so or its time does: one of MachineWhy, or ''."""
    if act.kind == "open":
        return MachineWhy.PROXY if act.machine else ""
    if act.kind != "click":
        return ""
    if act.machine:
        return MachineWhy.AGENT
    return machines.by_time(message.channel, at, message.handed_over_at, message.delivered_at)


def _engage(rows: Sequence[Engagement], answered: Collection[int] = ()) -> None:
    """Keep what people did, and have counted whoever got their messages and those `answered`; of those who were erased
    nothing more is kept."""
    erased = set(
        Contact.objects.filter(pk__in={row.contact_id for row in rows}, erased_at__isnull=False).values_list(
            "pk", flat=True
        )
        if rows
        else ()
    )
    rows = [row for row in rows if row.contact_id not in erased]
    Engagement.objects.bulk_create(rows, ignore_conflicts=True)
    if whose := {row.message_id for row in rows}.union(answered):
        engagement.note(whose)
