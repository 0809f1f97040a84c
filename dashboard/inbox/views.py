"""Replies to read: what may be an opt-out, and what a colleague says it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.db.models import F, QuerySet, Window
from django.db.models.functions import DenseRank
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from contacts.models import Address, Contact, Reply
from contacts.phones import mask
from dashboard.shell.pages import next_url, who
from deliveries.models import Message
from deliveries.outcomes.keyset import Page, page
from deliveries.receiving import inbox

SIZE = 30
NAMED = 3  # of the contacts who share an address
SHARING_SIZE = 50
SEE, ACT = "contacts.view_reply", "contacts.suppress_contact"
BOXES = {
    "list": ("To read", "Nothing is sent to these people until somebody has read what they wrote."),
    "acted": (
        "Already opted out",
        "These were taken for opt-outs at once, because of a word in a longer reply. Was that meant?",
    ),
    "read": ("Read", "How each reply was judged, and by whom. The judgement can be changed."),
}
EMPTY = {
    "list": ("Nothing to read", "Replies that may be an opt-out appear here."),
    "acted": ("Nothing to look over", "Opt-outs that were understood from a longer reply appear here."),
    "read": ("Nothing has been read yet", "Replies that somebody has read appear here."),
}


@dataclass(frozen=True)
class Owners:
    """Whose an address is: the first few, and how many others there are."""

    first: Sequence[Contact] = ()
    others: int = 0


@dataclass(frozen=True)
class ReplyRow:
    reply: Reply
    owners: Owners
    masked: str
    message: Message | None
    why: str


@requires(SEE)
@require_safe
def show(request: HttpRequest, box: str) -> HttpResponse:
    found = page(_rows(box), SIZE, request.GET.get("after", ""), at="read_at" if box == "read" else "")
    counts = {
        "list": inbox.count_to_read(),
        "acted": inbox.count_acted_on(),
    }
    context = {
        "box": box,
        "what_for": BOXES[box][1],
        "empty": EMPTY[box],
        "tabs": [
            (reverse(f"inbox:{key}"), label, counts.get(key), key == box) for key, (label, _) in BOXES.items()
        ],
        "rows": _shown(found),
        "page": found,
        "first_url": reverse(f"inbox:{box}"),
        "full": who(request).has_perm("contacts.view_full_address"),
        "may_act": who(request).has_perm(ACT),
        "back": request.get_full_path(),
    }
    return render(request, "inbox/list.html", context)


@requires(SEE, "contacts.view_contact")
@require_safe
def owners(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody who has the address that a reply came from."""
    reply = get_object_or_404(Reply, pk=pk)
    theirs = Address.objects.filter(match_key=reply.match_key).values("contact_id")
    found = page(
        Contact.objects.filter(pk__in=theirs).select_related("source"),
        SHARING_SIZE,
        request.GET.get("after", ""),
    )
    context = {
        "masked": mask(reply.value),
        "page": found,
        "first_url": reverse("inbox:owners", args=[pk]),
    }
    return render(request, "inbox/owners.html", context)


class JudgeForm(forms.Form):
    judgement = forms.ChoiceField(choices=Reply.Judgement)
    seen = forms.ChoiceField(choices=[("", ""), *Reply.Judgement.choices], required=False)


@requires(SEE, ACT)
@require_POST
def judge(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what one reply was, as long as nobody said otherwise since the page was read."""
    form = JudgeForm(request.POST)
    done = None
    if form.is_valid():
        wanted, seen = form.cleaned_data["judgement"], form.cleaned_data["seen"]
        done = inbox.judge(pk, wanted, seen, by=who(request), now=timezone.now())
    if done is None:
        messages.error(request, "Nothing was changed: somebody was faster, or there is no such reply.")
    elif done.judgement == Reply.Judgement.OPT_OUT:
        messages.success(
            request, f"{mask(done.value)} is opted out. It stands under Read, where it can be changed."
        )
    else:
        messages.success(
            request,
            f"No opt-out: this reply no longer stops messages to {mask(done.value)}. It stands under Read.",
        )
    return redirect(next_url(request, reverse("inbox:list")))


def _rows(box: str) -> QuerySet[Reply]:
    if box == "read":
        return Reply.objects.filter(read_at__isnull=False).select_related("read_by")
    return Reply.objects.unread().filter(acted=box == "acted")


def _shown(found: Page) -> list[ReplyRow]:
    """With whoever has the address and the message answered: three queries for all rows."""
    replies: Sequence[Reply] = found.rows
    whose = _owners({reply.match_key for reply in replies})
    answered = Message.objects.select_related("campaign").in_bulk(
        [reply.message_id for reply in replies if reply.message_id]
    )
    return [
        ReplyRow(
            reply,
            whose.get(reply.match_key, Owners()),
            mask(reply.value),
            answered.get(reply.message_id or 0),
            _why(reply),
        )
        for reply in replies
    ]


def _owners(keys: Collection[str]) -> dict[str, Owners]:
    """By the key of the address. However many share one, only those named are read."""
    ranked = Address.objects.filter(match_key__in=keys).annotate(
        place=Window(DenseRank(), partition_by=F("match_key"), order_by=F("contact_id").asc()),
        from_the_end=Window(DenseRank(), partition_by=F("match_key"), order_by=F("contact_id").desc()),
    )
    named = ranked.filter(place__lte=NAMED).order_by("match_key", "place")
    rows = list(named.values_list("match_key", "contact_id", "place", "from_the_end").distinct())
    contacts = Contact.objects.in_bulk({contact for _, contact, _, _ in rows})
    found: dict[str, Owners] = {}
    for key, contact, place, from_the_end in rows:
        first = found[key].first if key in found else ()
        found[key] = Owners([*first, contacts[contact]], max(place + from_the_end - 1 - NAMED, 0))
    return found


def _why(reply: Reply) -> str:
    if not reply.found:
        return "It contains only what we had written."
    if reply.acted:
        return f"“{reply.found}” was understood as an opt-out."
    return f"“{reply.found}” may be an opt-out."
