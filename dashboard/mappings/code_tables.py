"""The rows of the code tables in force, narrowed and put in words, and what each of them leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.utils.safestring import mark_safe

from contacts.channels import Channel
from dashboard.shell.icons import ICONS
from deliveries.meaning import mappings
from deliveries.meaning.translation import Code, Key, tables_of
from deliveries.meaning.translation import Mapping as Tables
from deliveries.models import CodeMapping
from deliveries.outcomes.code_usage import STATUS, CodeUsage, Seen, edit_url, table_name
from deliveries.outcomes.filters import Chip
from deliveries.outcomes.rows import bucket_of
from deliveries.outcomes.shares import Share
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.statuses import (
    REACHING,
    Disposition,
    FailureClass,
    Fault,
    Meaning,
    Queue,
    Status,
    disposition,
)
from deliveries.wording import wording

PAGE_SIZE = 50
SEEN, NEVER = "yes", "no"
GOAL = "exposure"
ANY_STATUS = "said"  # the status word that stands for any provider's own beside an error code


def table_choices(tables: Tables) -> list[tuple[str, str]]:
    """Every table that there is or that an adapter asks for, by name."""
    asked = {table for provider in PROVIDERS.values() for table in tables_of(provider.slug)}
    known = asked | {key.table for key in tables.codes}
    return sorted(((table, table_name(table)) for table in known), key=lambda pair: pair[1].lower())


class CodeFilter(forms.Form):
    """What a reader narrows the code tables to. Parameters that are not fields are ignored."""

    s = forms.CharField(label="Search", required=False, max_length=100)
    table = forms.ChoiceField(label="Provider", required=False)
    channel = forms.ChoiceField(label="Channel", required=False, choices=[("", "Any"), *Channel.choices])
    kind = forms.ChoiceField(label="Says", required=False, choices=[("", "Any"), *CodeMapping.Kind.choices])
    status = forms.ChoiceField(label="Status", required=False, choices=[("", "Any"), *Status.choices])
    failure_class = forms.ChoiceField(
        label="Failure class", required=False, choices=[("", "Any"), *FailureClass.choices]
    )
    fault = forms.ChoiceField(label="Fault", required=False, choices=[("", "Any"), *Fault.choices])
    seen = forms.ChoiceField(
        label="Seen here", required=False, choices=[("", "Any"), (SEEN, "Yes"), (NEVER, "Never")]
    )

    def __init__(self, data: Mapping[str, Any], tables: Tables) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields["table"].choices = [("", "Any"), *table_choices(tables)]  # type: ignore[attr-defined]
        self.fields["s"].widget.attrs |= {
            "id": "s", "type": "search", "placeholder": "Code, name or meaning", "autocomplete": "off",
        }  # fmt: skip

    @property
    def given(self) -> dict[str, str]:
        """What narrows anything, in the order of the fields. Needs `is_valid()` to have run."""
        return {name: self.cleaned_data[name] for name in self.fields if self.cleaned_data.get(name)}

    def querystring(self, without: str = "", **extra: str) -> str:
        kept = {name: value for name, value in self.given.items() if name != without}
        return urlencode(kept | extra)

    def chips(self) -> list[Chip]:
        return [
            Chip(name, str(self.fields[name].label), self._words(name, value), self.querystring(name))
            for name, value in self.given.items()
        ]

    def _words(self, name: str, value: str) -> str:
        return str(dict(getattr(self.fields[name], "choices", [])).get(value, value))


@dataclass(frozen=True)
class CodeOutcome:
    """What a row of a table makes of a message: its bucket, '' for none, its words, and what follows by itself."""

    bucket: str
    word: str  # for the bucket
    label: str  # for the status
    meaning: str
    next_step: str
    follows: str


@dataclass(frozen=True)
class CodeRow:
    """One row of a table as a reader sees it."""

    row: CodeMapping
    outcome: CodeOutcome
    table: str
    seen: Seen | None
    then: Share | None
    drafted: bool

    @property
    def edit_url(self) -> str:
        return edit_url(mappings.key_of(self.row))

    @property
    def changed_here(self) -> bool:
        return self.row.since.origin != "shipped"


@dataclass(frozen=True)
class CodeListing:
    """One page of rows, and what the template needs to lead from it."""

    form: CodeFilter
    page: Page | None
    rows: list[CodeRow] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return self.page is not None

    @property
    def count(self) -> int:
        return self.page.paginator.count if self.page is not None else 0

    @property
    def chips(self) -> list[Chip]:
        return self.form.chips() if self.valid else []

    @property
    def symbols(self) -> list[tuple[str, str]]:
        """The icons the rows refer to, drawn once for all of them: a page of rows stays small."""
        used = {row.outcome.bucket for row in self.rows} - {""}
        return [(name, mark_safe(ICONS[name])) for name in sorted(used)]  # noqa: S308 - constants of ours

    def url(self, page: int) -> str:
        return "?" + self.form.querystring(**({"page": str(page)} if page > 1 else {}))

    @property
    def before(self) -> str:
        return self.url(self.page.number - 1) if self.page and self.page.has_previous() else ""

    @property
    def after(self) -> str:
        return self.url(self.page.number + 1) if self.page and self.page.has_next() else ""


def listing(given: Mapping[str, Any], tables: Tables, drafted: Iterable[Key]) -> CodeListing:
    """The page of rows that a query string asks for; no rows when it cannot be understood."""
    form = CodeFilter(given, tables)
    if not form.is_valid():
        return CodeListing(form, None)
    usage, drafted = CodeUsage.beside(tables), set(drafted)
    rows = _narrowed(CodeMapping.objects.filter(mappings.in_force(tables.version)), form.given, usage)
    rows = _ours_first(rows, usage.providers).select_related("since")
    page = Paginator(rows, PAGE_SIZE).get_page(given.get("page"))
    return CodeListing(form, page, [_row(row, usage, drafted) for row in page])


def _narrowed(
    rows: QuerySet[CodeMapping], given: Mapping[str, str], usage: CodeUsage
) -> QuerySet[CodeMapping]:
    for name, value in given.items():
        if name == "s":
            rows = rows.filter(
                Q(code__icontains=value) | Q(name__icontains=value) | Q(meaning__icontains=value)
            )
        elif name == "seen":
            rows = _seen_only(rows, usage, wanted=value == SEEN)
        else:
            rows = rows.filter(**{name: value})
    return rows


def _seen_only(rows: QuerySet[CodeMapping], usage: CodeUsage, *, wanted: bool) -> QuerySet[CodeMapping]:
    places = rows.values_list("pk", "table", "channel", "kind", "key")
    ids = [pk for pk, *place in places if (Key(*place) in usage.seen) is wanted]
    return rows.filter(pk__in=ids)


def _ours_first(rows: QuerySet[CodeMapping], providers: Iterable[str]) -> QuerySet[CodeMapping]:
    """The tables of the providers that there are accounts for, then those they share, then the others."""
    own = set(providers)
    shared = {table for provider in own for table in tables_of(provider)}
    rank = Case(
        When(table__in=own, then=0), When(table__in=shared, then=1), default=2, output_field=IntegerField()
    )
    return rows.order_by(rank, "table", "channel", "-kind", "code", "pk")


def _row(row: CodeMapping, usage: CodeUsage, drafted: set[Key]) -> CodeRow:
    key = mappings.key_of(row)
    return CodeRow(
        row=row,
        outcome=outcome(key, mappings.code_of(row)),
        table=table_name(row.table),
        seen=usage.seen.get(key),
        then=usage.then.get(key),
        drafted=key in drafted,
    )


# ---- What a row leads to ---------------------------------------------------------------------------------------

FOLLOWS = {
    Disposition.DELIVERED: "It counts as delivered, and nothing more is sent.",
    Disposition.PENDING: "Nothing yet: Waybill waits for the next report. Without one it counts as unknown in the end.",
    Disposition.PENDING_RETRY: "It is tried again while the campaign's retry window is open, at hours the recipient"
    " may be contacted. One alone never counts against the contact.",
    Disposition.BLOCKED_COMPLIANCE: f"It stops and stands in the queue “{Queue.REVIEW.label}”. Nothing is retried"
    " blindly, and the contact is not to blame.",
    Disposition.OPTOUT: "The address is blocked at once, and every retry and change of channel planned for it ends.",
    Disposition.UNKNOWN: f"Nothing happens by itself. It stays in the queue “{Queue.WATCH.label}” until more"
    " is known.",
}
AGAINST_THE_ADDRESS = (
    "It is never tried again here. It counts against the address: at once where that is certain, else after as many"
    " in a row as the playbook says, the address is blocked on this channel (Suppression list, Automatic)."
)
NOT_AGAINST_IT = "It is never tried again here. It does not count against the address."
WITHDRAWN = "The message counts as canceled: it is in no result, and nothing follows."
UNSURE = " As long as you are not certain, the recipient is not held responsible for it."


def outcome(key: Key, code: Code) -> CodeOutcome:
    """What a row leads to for a campaign that wants exposure, read by the ordinary translation."""
    meaning = _translated(key, code)
    bucket = disposition(meaning.status, meaning.failure_class, meaning.fault, GOAL)
    words = wording(key.channel, meaning.status, meaning.failure_class, GOAL)
    doubted = code.fault == Fault.RECIPIENT and not code.verified and meaning.status not in REACHING
    return CodeOutcome(
        bucket=bucket_of(bucket),
        word=word_of(bucket),
        label=words.label,
        meaning=words.meaning,
        next_step=words.next_step,
        follows=_follows(bucket, meaning.fault) + (UNSURE if doubted else ""),
    )


def word_of(bucket: str) -> str:
    """What a bucket is called; a message in none was withdrawn."""
    return str(Disposition(bucket).label) if bucket else "Canceled"


def _translated(key: Key, code: Code) -> Meaning:
    """The meaning of a report that says this word. An error code comes with a status that says the same as it does."""
    # Under a provider's name that no adapter has, so that this one row is all there is to ask.
    where = Key("", key.channel, key.kind, code.code.lower())
    if key.kind == STATUS:
        return Tables(0, {where: code}).translate("", Report("", "", key.channel, code.code)).meaning
    beside = Code(ANY_STATUS, "", "", code.status, FailureClass.NONE, Fault.NONE, verified=True)
    tables = Tables(0, {where: code, where._replace(kind=STATUS, code=ANY_STATUS): beside})
    return tables.translate("", Report("", "", key.channel, ANY_STATUS, code.code)).meaning


def _follows(bucket: str, fault: str) -> str:
    if not bucket:
        return WITHDRAWN
    if bucket == Disposition.BOUNCED_HARD:
        return AGAINST_THE_ADDRESS if fault == Fault.RECIPIENT else NOT_AGAINST_IT
    return FOLLOWS[Disposition(bucket)]
