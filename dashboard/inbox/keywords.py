"""The words that replies are read by: those of a language, a box to try a reply, and what administrators changed."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from contacts import keyword_changes
from contacts.formulas import is_formula, key_of
from contacts.keyword_changes import (
    ALWAYS_STOP,
    Explanation,
    KeywordRefused,
    Meaning,
    change_keyword,
    explain,
    language_name,
)
from contacts.keywords import LONGEST, KeywordRow, built_in
from contacts.models import KeywordChange
from contacts.models.keywords import LONGEST_WORD
from dashboard.inbox.listing import BOXES, tabs
from dashboard.shell.pages import who
from deliveries.outcomes.keyset import page

SEE, CHANGE = "contacts.view_reply", "contacts.add_keywordchange"
SIZE = 30
FIRST_LANGUAGE = "en"
BUCKETS = {"stop": "optout", "unsure": "pending", "start": "success", "help": "retryable", "reply": "unknown"}
LABELS = {
    "stop": "Opt-out",
    "unsure": "Unsure: a person reads it",
    "start": "Opt-in",
    "help": "Asks for help",
    "reply": "No opt-out",
}
WITHIN = {"both": "Opt-out, looked over", "review": "Unsure", "": "Nothing"}


class TryReplyForm(forms.Form):
    text = forms.CharField(
        label="Try a reply",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "STOPP bitte"}),
        help_text="As somebody may write it. Nothing is sent, and nothing is kept.",
    )


class ChangeForm(forms.Form):
    language = forms.ChoiceField(label="Language", choices=keyword_changes.languages)
    text = forms.CharField(
        label="Word or phrase",
        max_length=LONGEST_WORD,
        help_text="Capitals and accents do not count. In a longer reply it is for a person to read.",
    )
    meaning = forms.ChoiceField(
        label="Read as",
        choices=[(one.value, one.label) for one in Meaning if one != Meaning.BUILT_IN],
        widget=forms.RadioSelect,
    )


class ActForm(forms.Form):
    """A button of the table."""

    language = forms.ChoiceField(choices=keyword_changes.languages)
    text = forms.CharField(max_length=LONGEST_WORD)
    meaning = forms.ChoiceField(choices=Meaning)


@dataclass(frozen=True)
class WordRow:
    """One word of the table. `act`: the meaning and the label of the button that changes it; None where none may, and
    `fixed` says why."""

    text: str
    pattern: bool
    meaning: str
    within: str
    change: KeywordChange | None
    act: tuple[str, str] | None
    fixed: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.meaning]

    @property
    def bucket(self) -> str:
        return BUCKETS[self.meaning]


@requires(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """The words of one language. By POST a reply is tried: no words of a person stand in an address bar or log."""
    tried = TryReplyForm(request.POST if request.method == "POST" else None)
    explanation = None
    if request.method == "POST" and tried.is_valid():
        explanation = explain(tried.cleaned_data["text"], keyword_changes.table_in_force())
    return _page(request, tried=tried, explanation=explanation, status=422 if tried.errors else 200)


@requires(SEE, CHANGE)
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Read a word otherwise from now on: by the form, or by a button of the table."""
    form = (ActForm if "act" in request.POST else ChangeForm)(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            made = change_keyword(**given, by=who(request), now=timezone.now())
        except KeywordRefused as problem:
            form.add_error("text", str(problem))
        else:
            messages.success(request, f"“{made.text}” is read from now on: {made.get_meaning_display()}.")
            return redirect(f"{reverse('inbox:keywords')}?language={made.language}")
    if "act" in request.POST:
        why = next((error for errors in form.errors.values() for error in errors), "")
        messages.error(request, f"Nothing was changed. {why}")
        return redirect(reverse("inbox:keywords"))
    return _page(request, form=form, status=422)


def _page(
    request: HttpRequest,
    *,
    status: int,
    tried: TryReplyForm | None = None,
    explanation: Explanation | None = None,
    form: forms.Form | None = None,
) -> HttpResponse:
    languages = keyword_changes.languages()
    given = request.GET.get("language", "") or (form.data.get("language", "") if form else "")
    language = given if given in dict(languages) else FIRST_LANGUAGE
    changes = KeywordChange.objects.select_related("by")
    found = page(changes, SIZE, request.GET.get("after", ""))
    for one in found.rows:
        one.spoken = language_name(one.language)
    context = {
        "box": "keywords",
        "tabs": tabs("keywords"),
        "what_for": BOXES["keywords"][1],
        "language": language,
        "language_name": language_name(language),
        "languages": languages,
        "rows": _rows(language),
        "tried": tried or TryReplyForm(),
        "explanation": explanation,
        "form": form or ChangeForm(initial={"language": language}),
        "may_change": who(request).has_perm(CHANGE),
        "page": found,
        "first_url": f"{reverse('inbox:keywords')}?language={language}",
        "keep": f"language={language}",
    }
    return render(request, "inbox/keywords.html", context, status=status)


def _rows(language: str) -> list[WordRow]:
    """Those that were changed first, then words, then patterns. One query."""
    changed = {one.key: one for one in keyword_changes.changes_in_force()}
    known = [row for row in built_in() if row.language == language and row.kind != "courtesy"]
    rows = [_built_in(row, None if is_formula(row.text) else changed.get(key_of(row.text))) for row in known]
    theirs = {key_of(row.text) for row in known if not is_formula(row.text)}
    rows += [_added(one) for one in changed.values() if one.language == language and one.key not in theirs]
    return sorted(rows, key=lambda row: (row.change is None, row.pattern))


def _built_in(row: KeywordRow, change: KeywordChange | None) -> WordRow:
    usual = "unsure" if row.whole == "review" else row.kind
    pattern, fixed = is_formula(row.text), key_of(row.text) in ALWAYS_STOP
    act: tuple[str, str] | None = None
    if change:
        act = (Meaning.BUILT_IN, "As built in")
    elif row.kind == "stop" and not pattern and not fixed:
        act = (Meaning.STOP, "Make an opt-out") if usual == "unsure" else (Meaning.UNSURE, "Make unsure")
    within = WITHIN["review" if change and row.inside else row.inside]
    why = "" if act else _why_fixed(row, pattern=pattern, required=fixed)
    return WordRow(row.text, pattern, change.meaning if change else usual, within, change, act, why)


def _why_fixed(row: KeywordRow, *, pattern: bool, required: bool) -> str:
    """Why nobody changes a built-in word."""
    if required:
        return "Stays: the law and the carriers require it"
    if pattern:
        return "Stays: it is a pattern"
    return f"Stays: {LABELS[row.kind].lower()} only"


def _added(change: KeywordChange) -> WordRow:
    within = WITHIN["review"] if change.meaning in (Meaning.STOP, Meaning.UNSURE) else WITHIN[""]
    return WordRow(change.text, False, change.meaning, within, change, (Meaning.BUILT_IN, "Take back"))
