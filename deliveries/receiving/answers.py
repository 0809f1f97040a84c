"""Automatic answers: owed when a word of a person is recorded, and what the provider reports about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from contacts.addresses import normal_form, region_of
from contacts.answering import Asked, Kind
from contacts.chunks import in_lists
from contacts.consenting import record_opt_outs
from contacts.keywords import Keyword
from contacts.models import AutomaticAnswer
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.meaning import mappings
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Inbound, Report
from deliveries.receiving.matching import as_uuid
from deliveries.receiving.writers import Writer
from deliveries.statuses import Disposition, Meaning, Status, disposition


def asked_for(
    waiting: ClaimedReceipt, text: Inbound, keyword: Keyword, writer: Writer, provider: str
) -> list[Asked]:
    """The confirmation of a sure STOP, or what HELP asks for, of whoever is known to have written it."""
    if keyword.kind not in (Kind.STOP, Kind.HELP) or keyword.review or writer.guessed or not writer.contacts:
        return []
    adapter = PROVIDERS.get(provider)
    by_provider = bool(text.opt_out_type) or (adapter is not None and adapter.answers_keywords)
    written_from = writer.values[-1]
    at, to = waiting.received_at, written_to(text)
    return [Asked(keyword.kind, written_from, text.channel, to, waiting.account_id, at, by_provider)]


def written_to(text: Inbound) -> str:
    """Our own number that a text was written to, in its normal form; '' where the provider does not say."""
    return normal_form(text.recipient, region_of(text.sender, settings.DEFAULT_REGION)) or text.recipient


class Said(NamedTuple):
    """What a provider says of an answer at `at`, and what it means; `status` and `code` are its own words."""

    row: AutomaticAnswer
    meaning: Meaning
    status: str
    code: str
    at: datetime


def about_answers(reports: Sequence[tuple[ClaimedReceipt, Report]], now: datetime) -> set[int]:
    """Of receipts with these reports, which fit no message, those in which all of them are about answers. What they
    say is kept there; a no or a complaint among them holds at once, in whatever receipt."""
    if not reports:
        return set()
    found = _answers(reports)
    if not found:
        return set()
    theirs: defaultdict[int, list[AutomaticAnswer | None]] = defaultdict(list)
    mapping, providers, said = mappings.latest(), Account.objects.providers(), []
    for waiting, report in reports:
        row = found.get(_key(waiting, report))
        theirs[waiting.id].append(row)
        if row:
            row.reported = f"{report.native_status} {report.native_code}".strip()[:64]
            meaning = mapping.translate(providers.get(waiting.account_id, ""), report).meaning
            at = min(report.occurred_at or waiting.received_at, waiting.received_at)
            said.append(Said(row, meaning, report.native_status, report.native_code, at))
    changed = {row.pk: row for row in found.values()}
    AutomaticAnswer.objects.bulk_update(changed.values(), ["reported"])
    record_refusals(said, now)
    return {receipt for receipt, rows in theirs.items() if all(rows)}


def record_refusals(said: Iterable[Said], now: datetime) -> None:
    """The opt-outs and complaints among what providers say of answers: each blocks once, as those of messages do.

    That a confirmation of STOP meets a STOP is nothing new, and a START since then holds.
    """
    from deliveries.deciding.stopping import reported_opt_out, stop_paths

    no = [one for one in said if one.row.to and is_no(one.row, one.meaning)]
    opt_outs = [
        reported_opt_out(
            f"answer {row.pk}", value=row.to, channel=row.channel, status=meaning.status, code=code, at=at
        )
        for row, meaning, _, code, at in no
    ]
    for row, _, status, code, _ in no:
        row.no_status, row.no_code = status[:64], code[:64]
    AutomaticAnswer.objects.bulk_update([one.row for one in no], ["no_status", "no_code"])
    if opt_outs:
        record_opt_outs(opt_outs, now)
        stop_paths({one.value for one in opt_outs}, now)


def is_no(row: AutomaticAnswer, meaning: Meaning) -> bool:
    """Whether what is reported of it is an opt-out or a complaint that the person is not known to have made before."""
    shown = disposition(meaning.status, meaning.failure_class, meaning.fault, "")
    return shown == Disposition.OPTOUT and (row.kind != Kind.STOP or meaning.status == Status.COMPLAINED)


Key = tuple[int, str, str]


def _key(waiting: ClaimedReceipt, report: Report) -> Key:
    return waiting.account_id, as_uuid(report.ref) or "", report.provider_message_id


def _answers(reports: Sequence[tuple[ClaimedReceipt, Report]]) -> dict[Key, AutomaticAnswer]:
    """By reference, else by the provider's id, within the account. Two queries."""
    keys = {_key(waiting, report) for waiting, report in reports}
    rows: list[AutomaticAnswer] = []
    for part in in_lists({ref for _, ref, _ in keys} - {""}):
        rows += AutomaticAnswer.objects.filter(uuid__in=part)
    for part in in_lists({native for *_, native in keys} - {""}):
        rows += AutomaticAnswer.objects.filter(provider_message_id__in=part).exclude(provider_message_id="")
    by_ref = {(row.account_id, str(row.uuid)): row for row in rows}
    by_id = {(row.account_id, row.provider_message_id): row for row in rows if row.provider_message_id}
    found = {key: by_ref.get(key[:2]) or by_id.get((key[0], key[2])) for key in keys}
    return {key: row for key, row in found.items() if row}
