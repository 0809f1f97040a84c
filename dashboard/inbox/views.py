"""Replies: all of them, those to read because they may be opt-outs, and what a colleague says they were or answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from contacts.access_log import sees_whole_in
from contacts.answering import (
    PERSON_RECONSIDERS,
    NotAnswerable,
    NotWithdrawn,
    answer_reply,
    answerable,
    withdraw_answer,
)
from contacts.gate import Reason, sentence
from contacts.models import Address, AutomaticAnswer, Contact, Reply
from contacts.models.answers import LONGEST_ANSWER
from contacts.phones import mask
from dashboard.inbox.listing import BOXES, ReplyFilter, WorkFilter, shown, tabs
from dashboard.shell.pages import fragment, next_url, swaps, trigger, who
from deliveries.outcomes.counting import counted
from deliveries.outcomes.keyset import page
from deliveries.receiving import inbox
from deliveries.sending.answering import verdict_on
from deliveries.wake import wake

SIZE = 30
SHARING_SIZE = 50
SEE, ACT, ANSWER = "contacts.view_reply", "contacts.suppress_contact", "contacts.answer_reply"
EMPTY = {
    "list": ("Nothing to read", "Replies that may be an opt-out appear here."),
    "acted": ("Nothing to look over", "Opt-outs that were understood from a longer reply appear here."),
    "read": ("Nothing has been read yet", "Replies that somebody has read appear here."),
}


@requires(SEE)
@require_safe
def show(request: HttpRequest, box: str) -> HttpResponse:
    """What somebody has to read, or has read."""
    found = page(_rows(box), SIZE, request.GET.get("after", ""), at="read_at" if box == "read" else "")
    frame = _frame(request, box, found.rows)
    context = {"empty": EMPTY[box], "page": found, "rows": shown(found.rows), **frame}
    return render(request, "inbox/list.html", context)


@requires(SEE)
@require_safe
@vary_on_headers("HX-Request")
def show_all(request: HttpRequest, box: str = "all") -> HttpResponse:
    """Every reply, newest first; or those that ask for something."""
    form = (WorkFilter if box == "work" else ReplyFilter)(request.GET.dict(), who(request))
    valid = form.is_valid()
    rows = form.rows() if valid else Reply.objects.none()
    found = page(rows, SIZE, request.GET.get("after", ""))
    context = {
        "form": form,
        "valid": valid,
        "count": counted(rows),
        "chips": form.chips() if valid else [],
        "keep": form.querystring() if valid else "",
        "page": found,
        "rows": shown(found.rows),
        "swap": swaps(request),
        "swap_form": swaps(request) and trigger(request) not in ("filters", "s"),
        "me": who(request),
        **_frame(request, box, found.rows),
    }
    return render(
        request, fragment(request, "inbox/all.html", "results"), context, status=200 if valid else 422
    )


def _frame(request: HttpRequest, box: str, replies: Sequence[Reply]) -> dict[str, Any]:
    """What the boxes have in common."""
    return {
        "box": box,
        "what_for": BOXES[box][1],
        "tabs": tabs(box),
        "first_url": reverse(f"inbox:{box}"),
        "full": sees_whole_in(request, (reply.text for reply in replies)),
        "may_act": who(request).has_perm(ACT),
        "may_answer": who(request).has_perm(ANSWER),
        "back": request.get_full_path(),
    }


class AnswerForm(forms.Form):
    text = forms.CharField(
        label="Your answer",
        max_length=LONGEST_ANSWER,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"At most {LONGEST_ANSWER} characters. It is sent from the number that they wrote to.",
    )
    seen = forms.IntegerField(min_value=0, max_value=1_000, widget=forms.HiddenInput)


@requires(SEE, ANSWER)
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """One reply with what was answered, and a box for an answer where one can be given."""
    reply = get_object_or_404(Reply.objects.select_related("read_by"), pk=pk)
    form = AnswerForm(
        request.POST if request.method == "POST" else None, initial={"seen": reply.answers.count()}
    )
    if request.method == "POST" and form.is_valid():
        return _answer(request, reply, form)
    why_not, later = _objection(reply)
    answers = list(reply.answers.select_related("written_by").order_by("pk"))
    now = timezone.now()
    context = {
        "row": shown([reply])[0],
        "reply": reply,
        "answers": [
            (one, _may_withdraw(request, one), 0 if later else _leaves_in(one, now)) for one in answers
        ],
        "form": form,
        "why_not": why_not,
        "later": later,
        "full": sees_whole_in(request, [reply.text, *(one.text for one in answers)]),
    }
    return render(request, "inbox/answer.html", context, status=422 if form.errors else 200)


def _answer(request: HttpRequest, reply: Reply, form: AnswerForm) -> HttpResponse:
    text, seen = form.cleaned_data["text"], form.cleaned_data["seen"]
    here = redirect(reverse("inbox:answer", args=[reply.pk]))
    why_not, later = _objection(reply)
    if why_not:
        messages.error(request, f"Nothing was sent. {why_not}")
        return here
    if answer_reply(reply, text, seen=seen, by=who(request), now=timezone.now()) is None:
        messages.error(request, "Nothing was sent: somebody answered meanwhile. Their answer stands below.")
        return here
    transaction.on_commit(wake)
    messages.success(
        request,
        later
        or f"The answer leaves in {PERSON_RECONSIDERS.seconds} seconds. Until then you can withdraw it.",
    )
    return here


def _leaves_in(answer: AutomaticAnswer, now: datetime) -> int:
    """Seconds until an answer that nothing else holds may leave; 0 where none are left, or something else holds it."""
    waits = answer.state == AutomaticAnswer.State.WAITING and not answer.why and answer.until is not None
    return max(ceil((answer.until - now).total_seconds()), 0) if waits and answer.until else 0


def _may_withdraw(request: HttpRequest, answer: AutomaticAnswer) -> bool:
    waits = answer.state == AutomaticAnswer.State.WAITING
    return waits and answer.written_by_id == who(request).pk and who(request).has_perm(ANSWER)


@requires(SEE, ANSWER)
@require_POST
def withdraw(request: HttpRequest, pk: int, written: int) -> HttpResponse:
    """Take back an answer of one's own that still waits."""
    reply = get_object_or_404(Reply, pk=pk)
    found = get_object_or_404(reply.answers, pk=written)
    try:
        withdraw_answer(found.pk, by=who(request), now=timezone.now())
    except NotWithdrawn as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, "The answer is withdrawn: it was not sent.")
    return redirect(reverse("inbox:answer", args=[reply.pk]))


def _objection(reply: Reply) -> tuple[str, str]:
    """Why it cannot be answered, '' where it can; and why an answer would have to wait, '' where it goes at once."""
    try:
        verdict = verdict_on(reply, answerable(reply), timezone.now())
    except NotAnswerable as problem:
        return str(problem), ""
    if verdict.allowed:
        return "", ""
    said = sentence(verdict.reason, verdict.detail)
    # A sender that may not send needs somebody to act: an answer would wait for nobody knows how long.
    waits = verdict.until and verdict.reason != Reason.SENDER_NOT_APPROVED
    return ("", said.replace("Not sent:", "An answer waits:", 1)) if waits else (said, "")


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


class WorkForm(forms.Form):
    act = forms.ChoiceField(choices=[(one, one) for one in ("take", "back", "done", "reopen")])


@requires(SEE, ANSWER)
@require_POST
def work_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Take, give back or finish what a reply asks for."""
    form = WorkForm(request.POST)
    done = (
        inbox.work_on(pk, form.cleaned_data["act"], who(request), timezone.now()) if form.is_valid() else ""
    )
    if done:
        messages.success(request, done)
    else:
        messages.error(request, "Nothing was changed: somebody was faster, or there is no such reply.")
    return redirect(next_url(request, reverse("inbox:work")))


def _rows(box: str) -> QuerySet[Reply]:
    if box == "read":
        return Reply.objects.filter(read_at__isnull=False).select_related("read_by")
    return Reply.objects.unread().filter(acted=box == "acted")
