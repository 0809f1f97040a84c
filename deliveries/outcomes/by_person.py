"""Lists with a row for each person, their last message, narrowed by where they stand or by what they did."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet, TextChoices

from campaigns.models import Recipient
from contacts.channels import Channel
from deliveries.models import REACHED, Deed, EngagedPerson, Message

NOT_REACHED = "none"  # people of whom no report says that anything was delivered


class Engaged(TextChoices):
    """What a list can be narrowed to: a deed, and `.` and a channel for those whom that channel reached."""

    REACHED = REACHED, "Delivered"
    ANY = Deed.ANY.value, str(Deed.ANY.label)
    CLICKED = Deed.CLICKED.value, str(Deed.CLICKED.label)
    REPLIED = Deed.REPLIED.value, str(Deed.REPLIED.label)
    OPTED_OUT = Deed.OPTED_OUT.value, str(Deed.OPTED_OUT.label)
    PRESSED = Deed.PRESSED.value, str(Deed.PRESSED.label)
    OPENED = Deed.OPENED.value, str(Deed.OPENED.label)
    MACHINE_CLICK = Deed.MACHINE_CLICK.value, str(Deed.MACHINE_CLICK.label)
    MACHINE_OPEN = Deed.MACHINE_OPEN.value, str(Deed.MACHINE_OPEN.label)


def _choices() -> list[tuple[str, str]]:
    places = [(one.value, f"reached by {one.in_sentence}") for one in Channel]
    places.append((NOT_REACHED, "no delivery reported"))
    return [
        pair
        for one in Engaged
        for pair in [
            (one.value, str(one.label)),
            *((f"{one.value}.{place}", f"{one.label}, {words}") for place, words in places),
        ]
    ]


ENGAGED = _choices()


def _people(value: str, campaign_id: int | None) -> QuerySet:
    """The ids of the recipients that `value`, one of ENGAGED, stands for; of one campaign, or of all."""
    deed, _, place = value.partition(".")
    which = {"campaign_id": campaign_id} if campaign_id is not None else {}
    if place:
        which["reached_by"] = "" if place == NOT_REACHED else place  # type: ignore[assignment]
    if deed == REACHED:
        return Recipient.objects.filter(state=Recipient.State.REACHED, **which).values("pk")
    return EngagedPerson.objects.filter(deed=deed, **which).values("recipient_id")


def standing(state: str, *, entries: bool) -> Q:
    """The last message of each person who stands there. `entries`: of rows of a queue."""
    return _last(entries, of_any=state == Recipient.State.PLANNED) & Q(
        **{f"{_link(entries)}recipient__state": state}
    )


def engaged(value: str, campaign_id: int | None, *, entries: bool) -> Q:
    """The last message of each person who did that: one of ENGAGED."""
    return _last(entries) & Q(**{f"{_link(entries)}recipient_id__in": _people(value, campaign_id)})


def _last(entries: bool, *, of_any: bool = False) -> Q:
    """The last message of each person. What was canceled before it left is none, but `of_any`: of those with whom
    nothing was begun it may be all there is."""
    whose, pk = OuterRef(f"{_link(entries)}recipient_id"), OuterRef("message_id" if entries else "pk")
    later = Message.objects.filter(recipient=whose, pk__gt=pk)
    return Q(~Exists(later if of_any else later.exclude(disposition="")))


def _link(entries: bool) -> str:
    """From a row to its message."""
    return "message__" if entries else ""
