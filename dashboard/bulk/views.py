"""Bulk actions: preview, start, the record of one, undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.roles import requires
from campaigns.models import Content
from campaigns.texts import PersonalText, worded
from contacts.access_log import sees_whole_in
from contacts.models import Contact
from contacts.phones import mask
from dashboard.bulk.forms import NEEDS, SelectionForm
from dashboard.shell.listing import drop_ticks, keep_ticks
from dashboard.shell.pages import next_url, who
from deliveries.bulk import actions, previewing
from deliveries.bulk.selections import About, about, channel_options
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.models import Account, Batch, BatchItem, Message
from deliveries.models.batches import deed
from deliveries.outcomes.filters import filter_of
from deliveries.outcomes.keyset import page
from deliveries.outcomes.rows import AT_ONCE, bucket_of, meaning, words_of
from deliveries.outcomes.saved_views import in_words
from deliveries.statuses import Queue
from deliveries.wording import SKIPS

LIST_SIZE = 50  # batches a page
ITEMS = 50  # rows of one batch a page
NAMED = 5  # campaigns of a selection
TEXTS = 3  # shown in full; how many more there are is said
SENDS = (Batch.Action.RETRY, Batch.Action.SWITCH)
# What it means for the people, before anybody does it.
CONSEQUENCES = {
    "retry": "Each person gets a new message on the same channel, in their permitted hours.",
    "switch": "Each person gets a new message on the other channel, in their permitted hours.",
    "correct": "Nothing is sent to these addresses on the channel that failed until somebody has corrected or confirmed"
    " them; other channels go on.",
    "suppress": "Nothing is sent to these addresses any more on the channel of the message; other channels go on.",
}
# What the preview says of the messages that are not skipped.
WILL_BE = {
    "retry": "Will be retried",
    "switch": "Will be moved",
    "correct": "Will be marked",
    "suppress": "Will be suppressed",
}
UNDONE_AS = {"retry": "canceled", "switch": "canceled", "correct": "unmarked", "suppress": "released"}
STATE_BUCKETS = {
    Batch.State.RUNNING: "pending",
    Batch.State.DONE: "success",
    Batch.State.UNDOING: "pending",
    Batch.State.UNDONE: "optout",
}
OUTCOME_BUCKETS = {
    BatchItem.Outcome.ACTED: "success",
    BatchItem.Outcome.SKIPPED: "unknown",
    BatchItem.Outcome.UNDONE: "pending",
    BatchItem.Outcome.TOO_LATE: "retryable",
}


@requires("deliveries.act_in_bulk")
@require_http_methods(["GET", "HEAD", "POST"])
def preview(request: HttpRequest) -> HttpResponse:
    """What a bulk action would do. One row whose action needs no question is started at once."""
    if request.method != "POST":  # a bookmark, or the address typed: there is no selection in it
        messages.info(request, "Select messages first, then choose what to do with them.")
        return redirect("deliveries:queues")
    if request.POST.get("one"):
        return start(request)
    form = SelectionForm(request.POST)
    if not form.is_valid():
        return _refused(request, form)
    _check_may(request, form.cleaned_data["action"])
    if "channel" not in request.POST:  # from the list, not from the preview itself
        keep_ticks(request, (), next_url(request, reverse("deliveries:queues")))
    return _preview(request, form)


def _check_may(request: HttpRequest, action: str) -> None:
    """Raises PermissionDenied for an action, or its undoing, that asks for more than acting in bulk."""
    if not _may(request, action):
        raise PermissionDenied


def _may(request: HttpRequest, action: str) -> bool:
    return action != Batch.Action.SUPPRESS or who(request).has_perm("contacts.suppress_contact")


def _preview(request: HttpRequest, form: SelectionForm, problem: str = "") -> HttpResponse:
    action, now = form.cleaned_data["action"], timezone.now()
    waits = form.missing == "channel"  # nothing can be counted before it is known where to
    found = None if waits else previewing.preview(action, form.selection, form.options, now)
    chosen = about(form.selection)
    context = {
        "form": form,
        "action": action,
        "title": deed(action, chosen.total, form.options.get("channel", "")),
        "found": found,
        "rows": _rows([one["message"] for one in found.sample], found.sample, action) if found else [],
        "skipped_total": found.total - found.will_act if found else 0,
        "consequence": CONSEQUENCES[action],
        "will_be": WILL_BE[action],
        "button": _button(form, found, chosen.total) if found else "",
        **_about(chosen, now),
        **(_channel_options(chosen) if action == Batch.Action.SWITCH else {}),
        **(_texts(chosen, form.options.get("channel", ""), found) if found and action in SENDS else {}),
        "given": form.cleaned_data,
        "ids": form.selection.message_ids,
        "filters": form.data.get("filters", ""),
        "problem": problem,
        "next": next_url(request, reverse("deliveries:queues")),
    }
    return render(request, "bulk/preview.html", context, status=422 if problem else 200)


def _button(form: SelectionForm, found: previewing.Preview, selected: int) -> str:
    n = selected - (found.total - found.will_act) if found.more else found.will_act
    return deed(form.cleaned_data["action"], n, form.options.get("channel", ""), at_most=bool(found.more))


def _about(chosen: About, now: datetime) -> dict[str, Any]:
    """How many messages of which campaigns on which channels, and how old they are."""
    return {
        "chosen": chosen,
        "on": ", ".join(_counted([(channel.label, n) for channel, n in chosen.channels])),
        "within": _campaigns(chosen),
        "age": timesince(chosen.oldest, now, depth=1) if chosen.oldest else "",
    }


def _channel_options(chosen: About) -> dict[str, Any]:
    found = channel_options(chosen)
    barred = [f"{option.channel.label} ({option.why_not})" for option in found if option.why_not]
    return {
        "channel_options": [option for option in found if not option.why_not],
        "barred": ", ".join(barred),
    }


def _counted(parts: Sequence[tuple[Any, int]]) -> list[str]:
    """Each with its number, which one alone does not need."""
    return [f"{part} ({n:,})" if len(parts) > 1 else str(part) for part, n in parts]


def _campaigns(chosen: About) -> str:
    names = _counted(chosen.campaigns)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    listed = f"{', '.join(names[:NAMED])}{more}"
    return f"{len(names)} campaigns: {listed}" if len(names) > 1 else listed


@dataclass(frozen=True)
class PreviewText:
    """What the first of those who get it would read, on this channel of this campaign."""

    content: Content
    contact: Contact
    words: PersonalText


def _texts(chosen: About, channel: str, found: previewing.Preview) -> dict[str, Any]:
    """What would be sent, to those who would be written to: on `channel`, or for a retry where each was sent; of the
    most frequent the first few."""
    readers: dict[tuple[int, str], Message] = {}
    for campaign, was, _ in chosen.parts:
        if message := found.first.get((campaign.pk, was)):
            readers.setdefault((campaign.pk, channel or was), message)
    shown = list(readers)[:TEXTS]
    prefetch_related_objects([readers[key] for key in shown], "contact")
    rows = Content.objects.filter(campaign__in={pk for pk, _ in shown}).select_related("campaign")
    contents = {(one.campaign_id, one.channel): one for one in rows}
    texts = [
        PreviewText(contents[key], readers[key].contact, worded(contents[key], readers[key].contact))
        for key in shown
        if key in contents
    ]
    return {"texts": texts, "more_texts": len(readers) - len(texts)}


def _data(request: HttpRequest) -> QueryDict:
    """The form as sent; a button on one row names its action and row, and then the ticks do not count."""
    data = request.POST.copy()
    action, _, pk = data.get("one", "").partition(":")
    if pk:
        data["action"] = action
        data.setlist("messages", [pk])
        data.pop("all", None)
    return data


def _refused(request: HttpRequest, form: SelectionForm) -> HttpResponse:
    words = [error for errors in form.errors.values() for error in errors]
    back = next_url(request, reverse("deliveries:queues"))
    return render(request, "bulk/refused.html", {"problems": words, "next": back}, status=422)


@requires("deliveries.act_in_bulk")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """GET: the bulk actions so far. POST: start one."""
    return start(request) if request.method == "POST" else past(request)


def start(request: HttpRequest) -> HttpResponse:
    form = SelectionForm(_data(request))
    if not form.is_valid():
        return _refused(request, form)
    _check_may(request, form.cleaned_data["action"])
    single = ":" in request.POST.get("one", "")
    if single and (form.cleaned_data["action"] not in AT_ONCE or form.missing):
        keep_ticks(request, (), next_url(request, reverse("deliveries:queues")))
        return _preview(request, form)
    if form.missing:
        return _preview(request, form, NEEDS[form.missing])
    batch = actions.start(
        form.cleaned_data["action"], form.selection, form.options, who(request), timezone.now()
    )
    if single:
        _say(request, batch)
        back = next_url(request, reverse("deliveries:batch", args=[batch.pk]))
        keep_ticks(request, form.selection.message_ids, back)
        return redirect(back)
    drop_ticks(request)
    return redirect("deliveries:batch", batch.pk)


def _say(request: HttpRequest, batch: Batch) -> None:
    """One row acted at once: the toast says so, and carries Undo."""
    item = batch.items.select_related("message__contact").first()
    if batch.acted and item:
        undo = reverse("deliveries:undo", args=[batch.pk])
        when = "when their permitted hours begin" if item.reason == "later" else "in a minute"
        new = "message on the other channel" if batch.action == Batch.Action.SWITCH else "retry"
        sentence = f"{item.message.contact}: the {new} is sent {when}."
        messages.success(request, sentence, extra_tags=undo)
        return
    why = SKIPS.get(item.reason, item.reason) if item else "the message is no longer there"
    why = f"{why[:1].lower()}{why[1:]}"
    messages.error(request, f"{Batch.Action(batch.action).label} was not possible: {why}.")


def past(request: HttpRequest) -> HttpResponse:
    found = page(Batch.objects.select_related("created_by"), LIST_SIZE, request.GET.get("after", ""))
    rows = [(batch, actions.results(batch)) for batch in found.rows]
    context = {"page": found, "rows": rows, "outcomes": list(BatchItem.Outcome)}
    return render(request, "bulk/batches.html", context)


@requires("deliveries.act_in_bulk")
@require_safe
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Batch.objects.select_related("created_by"), pk=pk)
    only = request.GET.get("outcome", "")
    only = only if only in BatchItem.Outcome.values else ""
    items = found.items.select_related("message")
    shown = page(items.filter(outcome=only) if only else items, ITEMS, request.GET.get("after", ""))
    context = {
        "batch": found,
        "page": shown,
        "rows": _rows([item.message for item in shown.rows], shown.rows, found.action),
        "only": only,
        "outcomes": [(key, key.label, n) for key, n in actions.results(found).items()],
        "done": found.acted + found.skipped,
        "can_undo": actions.can_undo(found),
        "may_undo": _may(request, found.action),
        "running": found.state in (Batch.State.RUNNING, Batch.State.UNDOING),
        "undone": _undone(found, who(request)) if found.state == Batch.State.UNDONE else "",
        "note": found.options.get("note", ""),
        "stopped": found.options.get(actions.STOPPED, "") or _failing(found),
        "state_bucket": STATE_BUCKETS[Batch.State(found.state)],
        "chosen": _chosen(request, found),
    }
    return render(request, "bulk/batch.html", context)


def _failing(found: Batch) -> str:
    """Why a batch under way is not tried any more before an administrator asks for it; '' when it is."""
    if found.state not in (Batch.State.RUNNING, Batch.State.UNDOING):
        return ""
    reason = quarantine.reasons(Kind.BATCH, [found.pk]).get(found.pk, "")
    return f"{reason} An administrator can have it tried again." if reason else ""


def _chosen(request: HttpRequest, found: Batch) -> str:
    """What the batch was about, in words."""
    chosen = dict(found.selection.get("filter", {}))
    if not chosen:
        return "Selected one by one"
    campaign, queue = chosen.pop("campaign", None), chosen.pop("queue", "")
    form = filter_of(campaign, queue, chosen)
    whole = sees_whole_in(request, [str(chosen.get("s", ""))])
    narrowed = in_words(form, whole=whole) if form.is_valid() else "filters of an older version"
    return f"Everything in {Queue(queue).label if queue else 'the report'}, {narrowed}"


def _undone(found: Batch, reader: User) -> str:
    """Who undid it, and how much of it."""
    by = actions.undone_by(found)
    name = "somebody who left" if by is None else "you" if by == reader else by.display_name
    late = actions.results(found)[BatchItem.Outcome.TOO_LATE]
    rest = f", {late:,} were sent already" if late else ""
    return f"Undone by {name}: {found.undone:,} {UNDONE_AS[found.action]}{rest}."


def _rows(found: list[Message], results: Any, action: str) -> list[dict[str, Any]]:
    """Messages with what became, or would become, of each."""
    slugs, now = Account.objects.providers(), timezone.now()
    prefetch_related_objects(found, "contact", "address", "campaign")
    return [
        {
            "message": message,
            "name": str(message.contact),
            "address": mask(message.address.value),
            "label": words_of(message, now).label,
            "bucket": bucket_of(message.disposition),
            "what": meaning(message, slugs, now),
            **_result(result, action),
        }
        for message, result in zip(found, results, strict=True)
    ]


def _result(result: Any, action: str) -> dict[str, Any]:
    if isinstance(result, BatchItem):
        outcome = BatchItem.Outcome(result.outcome)
        return {
            "result": outcome.label,
            "result_bucket": OUTCOME_BUCKETS[outcome],
            "why": SKIPS.get(result.reason, result.reason),
            "successor": result.successor_id,
        }
    acts = result["acts"]
    return {
        "result": WILL_BE[action] if acts else "Skipped",
        "result_bucket": "success" if acts else "unknown",
        "why": result["reason"],
    }


@requires("deliveries.act_in_bulk")
@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Batch, pk=pk)
    _check_may(request, found.action)
    if actions.can_undo(found):
        actions.undo(found, who(request), timezone.now())
        found.refresh_from_db()
        under_way = found.state != Batch.State.UNDONE
        messages.success(request, "It is being undone." if under_way else _undone(found, who(request)))
    else:
        messages.error(request, "It is too late to undo this: everything was sent, or it was undone already.")
    back = next_url(request, reverse("deliveries:batch", args=[found.pk]))
    keep_ticks(request, (), back)
    return redirect(back)
