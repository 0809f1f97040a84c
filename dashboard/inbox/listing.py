"""Replies as a reader sees them: narrowed by a query string, each with its writer, what it answers and our answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import DenseRank
from django.urls import reverse

from accounts.models import User
from campaigns.models import Campaign
from contacts import searching
from contacts.channels import Channel
from contacts.models import Address, AutomaticAnswer, Contact, Reply
from contacts.phones import mask
from deliveries.models import Message
from deliveries.outcomes.filters import Chip
from deliveries.receiving import inbox

NAMED = 3  # of the contacts who share an address
CAMPAIGNS = 100  # that the filter offers, the newest; a link may name any
MOST_FOUND = 500  # replies by one search, the newest
ANY = ("", "Any")
YES, NO = "yes", "no"
OPEN, MINE, NOBODY_S, DONE = "open", "mine", "nobody", "done"
WORK = [(OPEN, "Not done"), (MINE, "Mine"), (NOBODY_S, "Nobody's"), (DONE, "Done")]
COLUMNS = {"reading": "reading", "asks": "asks", "channel": "channel", "campaign": "campaign_id"}
Reading, State = Reply.Reading, AutomaticAnswer.State
BUCKETS = {
    Reading.STOP: "optout",
    Reading.START: "success",
    Reading.HELP: "retryable",
    Reading.UNSURE: "pending",
    Reading.OTHER: "unknown",
}


BOXES = {
    "list": ("To read", "Nothing is sent to these people until somebody has read what they wrote."),
    "work": (
        "To do",
        "These ask something of a colleague: a call, who we are, or the right person's address.",
    ),
    "all": ("All", "Everything that people wrote to us, what it was read as, and what it answers."),
    "acted": (
        "Already opted out",
        "These were taken for opt-outs at once, because of a word in a longer reply. Was that meant?",
    ),
    "read": ("Read", "How each reply was judged, and by whom. The judgement can be changed."),
    "keywords": ("Keywords", "The words that replies are read by, in every language at once."),
}


def tabs(current: str) -> list[tuple[str, str, int | None, bool]]:
    """(url, label, how many wait there, whether it is the current one) of each box."""
    counts = {
        "list": inbox.count_to_read(), "work": inbox.count_to_do(), "acted": inbox.count_acted_on(),
    }  # fmt: skip
    return [
        (reverse(f"inbox:{key}"), label, counts.get(key), key == current) for key, (label, _) in BOXES.items()
    ]


class ReplyFilter(forms.Form):
    """What a reader narrows the list of all replies to. Parameters that are not fields are ignored."""

    s = forms.CharField(label="Search", required=False, max_length=searching.LONGEST)
    reading = forms.ChoiceField(label="Read as", required=False, choices=[ANY, *Reading.choices])
    asks = forms.ChoiceField(label="Asks for", required=False, choices=[ANY, *Reply.Asks.choices])
    work = forms.ChoiceField(label="To do", required=False, choices=[ANY, *WORK])
    channel = forms.ChoiceField(label="Channel", required=False, choices=[ANY, *Channel.choices])
    campaign = forms.ChoiceField(label="Campaign", required=False)
    answered = forms.ChoiceField(
        label="Answered", required=False, choices=[ANY, (YES, "By a colleague"), (NO, "Not by a colleague")]
    )

    def __init__(self, data: Mapping[str, Any], me: User | None = None) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.me = me
        self.fields["s"].widget.attrs |= {
            "id": "s", "type": "search", "placeholder": "Number, email or words", "autocomplete": "off",
        }  # fmt: skip
        self.fields["campaign"].choices = [ANY, *_campaigns(str(data.get("campaign", "")))]  # type: ignore[attr-defined]

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

    def rows(self) -> QuerySet[Reply]:
        found, given = Reply.objects.select_related("read_by"), self.given
        for name, column in COLUMNS.items():
            if given.get(name):
                found = found.filter(**{column: given[name]})
        if work := given.get("work"):
            found = (
                found.filter(done_at__isnull=work != DONE).exclude(asks="").select_related("owner", "done_by")
            )
        if work in (MINE, NOBODY_S):
            found = found.filter(owner=self.me if work == MINE else None)
        answers = AutomaticAnswer.objects.filter(kind=AutomaticAnswer.Kind.PERSON)
        answers = answers.exclude(state__in=[State.REFUSED, State.DROPPED])
        if given.get("answered") == YES:
            found = found.filter(pk__in=answers.values("reply_id"))
        elif given.get("answered") == NO:
            found = found.filter(~Exists(answers.filter(reply=OuterRef("pk"))))
        return found.filter(pk__in=written_by_or_saying(given["s"])) if given.get("s") else found


def _campaigns(given: str) -> list[tuple[str, str]]:
    """The newest that were launched, and the one that the link names."""
    launched = Campaign.objects.exclude(state=Campaign.State.DRAFT).order_by("-pk").values_list("pk", "name")
    rows = [(str(pk), name) for pk, name in launched[:CAMPAIGNS]]
    if given in dict(rows) or not (number := searching.numbered(f"#{given}")):
        return rows
    named = Campaign.objects.filter(pk=number).values_list("pk", "name")
    return [*rows, *((str(pk), name) for pk, name in named)]


def written_by_or_saying(text: str) -> list[int]:
    """Ids of the newest replies from an address that `text` spells in any form, or that contain `text`."""
    text = searching.clean(text)
    theirs = Reply.objects.filter(match_key__in=searching.keys(text)).order_by("-pk")
    saying = searching.replies_saying(text).order_by("-pk")
    # As lists: each has its index, and of a union in the same statement PostgreSQL believes that it finds many.
    found = {pk for rows in (theirs, saying) for pk in rows.values_list("pk", flat=True)[:MOST_FOUND]}
    return sorted(found, reverse=True)[:MOST_FOUND]


class WorkFilter(ReplyFilter):
    """The same of those that ask for something; what is not done yet, unless another is chosen."""

    def __init__(self, data: Mapping[str, Any], me: User | None = None) -> None:
        super().__init__({"work": OPEN, **{name: value for name, value in data.items() if value}}, me)
        self.fields["work"].choices = WORK  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Owners:
    """Whose an address is: the first few, and how many others there are."""

    first: Sequence[Contact] = ()
    others: int = 0


@dataclass(frozen=True)
class ReplyRow:
    """One reply. `answer`: the last one that a colleague wrote."""

    reply: Reply
    owners: Owners
    masked: str
    message: Message | None
    answer: AutomaticAnswer | None

    @property
    def bucket(self) -> str:
        return BUCKETS[Reading(self.reply.reading)]

    @property
    def why(self) -> str:
        """Why somebody has to look at it."""
        if not self.reply.found:
            return "It contains only what we had written."
        if self.reply.acted:
            return f"“{self.reply.found}” was understood as an opt-out."
        return f"“{self.reply.found}” may be an opt-out."


def shown(replies: Sequence[Reply]) -> list[ReplyRow]:
    """With whoever has the address, the message answered and our answer: four queries for all rows."""
    whose = _owners({reply.match_key for reply in replies})
    sent = Message.objects.select_related("campaign")
    answered = sent.in_bulk([reply.message_id for reply in replies if reply.message_id])
    answers = AutomaticAnswer.objects.filter(reply__in=[reply.pk for reply in replies]).order_by("pk")
    ours = {answer.reply_id: answer for answer in answers}
    return [
        ReplyRow(
            reply,
            whose.get(reply.match_key, Owners()),
            mask(reply.value),
            answered.get(reply.message_id or 0),
            ours.get(reply.pk),
        )
        for reply in replies
    ]


def _owners(keys: set[str]) -> dict[str, Owners]:
    """By the key of the address. However many share one, only those named are read."""
    ranked = Address.objects.filter(match_key__in=keys - {""}).annotate(
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
