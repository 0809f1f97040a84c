"""Automatic answers: owed when a word of a person is recorded, and what the provider reports about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.conf import settings

from contacts.addresses import normal_form, region_of
from contacts.answering import Asked, Kind
from contacts.chunks import in_lists
from contacts.keywords import Keyword
from contacts.models import AutomaticAnswer
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Inbound, Report
from deliveries.receiving.matching import as_uuid
from deliveries.receiving.writers import Writer


def asked_for(
    waiting: ClaimedReceipt, text: Inbound, keyword: Keyword, writer: Writer, provider: str
) -> list[Asked]:
    """The confirmation of a sure STOP, or what HELP asks for, of whoever is known to have written it."""
    if keyword.kind not in (Kind.STOP, Kind.HELP) or keyword.review or writer.guessed or not writer.contacts:
        return []
    adapter = PROVIDERS.get(provider)
    by_provider = bool(text.opt_out_type) or (adapter is not None and adapter.answers_keywords)
    written_from = writer.values[-1]
    to = normal_form(text.recipient, region_of(text.sender, settings.DEFAULT_REGION)) or text.recipient
    at = waiting.received_at
    return [Asked(keyword.kind, written_from, text.channel, to, waiting.account_id, at, by_provider)]


def about_answers(lost: Collection[int], reports: Sequence[tuple[ClaimedReceipt, Report]]) -> set[int]:
    """Of receipts that fit no message those that are only about automatic answers; what they say is kept there."""
    if not lost:
        return set()
    theirs: defaultdict[int, list[tuple[ClaimedReceipt, Report]]] = defaultdict(list)
    for waiting, report in reports:
        if waiting.id in lost:
            theirs[waiting.id].append((waiting, report))
    found = _answers([one for those in theirs.values() for one in those])
    done = set()
    for receipt, those in theirs.items():
        rows = [found.get(_key(waiting, report)) for waiting, report in those]
        if rows and all(rows):
            done.add(receipt)
            for row, (_, report) in zip(rows, those, strict=True):
                assert row
                row.reported = f"{report.native_status} {report.native_code}".strip()[:64]
    changed = {row.pk: row for row in found.values() if row.reported}
    AutomaticAnswer.objects.bulk_update(changed.values(), ["reported"])
    return done


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
