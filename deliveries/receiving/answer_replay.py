"""What providers reported of our answers and questions, read anew: an opt-out that a code no longer means is withdrawn,
as those of messages are, and one that it means again is put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from contacts.addresses import match_key
from contacts.chunks import in_lists
from contacts.consenting import record_opt_outs
from contacts.models import AutomaticAnswer, Suppression
from contacts.suppressing import MAPPING_CORRECTED
from contacts.withdrawing import Mistaken, take_back_opt_outs
from deliveries.deciding.stopping import reported_opt_out, stop_paths
from deliveries.meaning.translation import Mapping
from deliveries.models import Account
from deliveries.providers.facts import Report
from deliveries.receiving.answers import is_no
from deliveries.receiving.retranslation import Affected, is_own_word
from deliveries.statuses import Meaning


def bring_answers_in_line(affected: Affected, mapping: Mapping, note: str, who: str, now: datetime) -> None:
    """Withdraw, or put back, what rests on codes that mean something else with this version; `note` names it, `who` is
    by whom, as the end of a sentence. What the person did themselves stays, whatever a table says."""
    said_no = ~Q(no_status="") | ~Q(no_code="")
    rows = AutomaticAnswer.objects.filter(said_no, account_id__in=affected.accounts)
    concerned = [
        row
        for row in rows.filter(channel__in=affected.channels).select_related("address", "change")
        if row.to and affected.names(row.no_status, row.no_code)
    ]
    providers, again, mistaken = Account.objects.providers(), [], []
    for row in concerned:
        report = Report("", "", row.channel, row.no_status, row.no_code)
        provider = providers.get(row.account_id, "")
        meaning = mapping.translate(provider, report).meaning
        if is_no(row, meaning):
            again.append((row, meaning))
        elif not is_own_word(row.no_code, provider, report):
            why = f"code {row.no_code or row.no_status} was mapped anew{who}"
            mistaken.append(Mistaken(row.to, _fact(row), why))
    if mistaken:
        take_back_opt_outs(mistaken, note=note, now=now)
    _put_back(again, who, now)


def _put_back(rows: Sequence[tuple[AutomaticAnswer, Meaning]], who: str, now: datetime) -> None:
    """Of these, those that a mapping had withdrawn: each as it was said, at its time."""
    when: dict[str, datetime] = {}
    facts = [_fact(row) for row, _ in rows]
    for part in in_lists({match_key(row.to) for row, _ in rows}):
        theirs = Suppression.objects.filter(match_key__in=part, fact__in=facts)
        lifted = theirs.filter(release_note__startswith=MAPPING_CORRECTED)
        when |= dict(lifted.filter(released_at__isnull=False).values_list("fact", "created_at"))
    opt_outs = [
        reported_opt_out(
            _fact(row), value=row.to, channel=row.channel, status=meaning.status, code=row.no_code,
            at=when[_fact(row)],
        )._replace(again=f"code {row.no_code or row.no_status} was mapped as an opt-out again{who}")
        for row, meaning in rows
        if _fact(row) in when
    ]  # fmt: skip
    if opt_outs:
        record_opt_outs(opt_outs, now)
        stop_paths({one.value for one in opt_outs}, now)


def _fact(row: AutomaticAnswer) -> str:
    return f"answer {row.pk}"
