"""Drafts: made from a name, copied from another campaign, and changed section by section without overwriting others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from accounts.models import User
from campaigns.conditions import Conditions
from campaigns.follow_ups import NAMES, FollowWhen
from campaigns.models import Campaign, Content, Playbook, Sender
from campaigns.models.campaigns import RESERVED_SLUGS
from campaigns.own_playbooks import began_from, copied, follow
from contacts.channels import Channel
from contacts.slugs import free_slug
from contacts.states import SENDER_MAY_SEND

LONGEST_NAME = 120
SECTIONS = ("who", "what", "when")  # what of a draft is changed together
# Of a campaign that is copied, what its copy begins with. Not among them: its name and link name, what became of it,
# and its times, which lie in the past.
COPIED = (
    "goal",
    "priority",
    "purpose",
    "channel",
    "playbook",
    "window_start",
    "window_end",
    "per_minute",
    "spread_hours",
    "conditions",
    "segment",
    "follows",
    "follow_when",
    "follow_hours",
    "canary_percent",
    "track_links",
)
COPIED_CONTENT = (
    "channel", "sender", "subject", "body", "html", "media_url", "key_more", "key_stop", "on_machine",
)  # fmt: skip


class NoDraft(Exception):
    """It was launched, or deleted, meanwhile."""


class DraftChanged(Exception):
    """Somebody saved this section after it was shown to whoever wants to save it now; `by` and `at` say who last
    saved anything of the draft."""

    def __init__(self, by: User | None, at: datetime | None) -> None:
        super().__init__(f"{by or 'somebody'}, {at}")
        self.by, self.at = by, at


def make_draft(name: str, by: User) -> Campaign:
    """A draft of that name, with a text to be written for the first channel that somebody can send on."""
    channel, sender = _usual_channel()
    with transaction.atomic():
        made = Campaign.objects.create(
            name=name,
            slug=_slug(name),
            channel=channel,
            playbook=Playbook.objects.shared().order_by("pk").first()
            or Playbook.objects.create(name="Standard"),
            created_by=by,
        )
        if sender:
            Content.objects.create(campaign=made, channel=channel, sender=sender)
    return made


def duplicate(campaign: Campaign, name: str, by: User) -> Campaign:
    """A draft with what `campaign` says, to whom and how; nothing of what became of it."""
    with transaction.atomic():
        made = Campaign.objects.create(
            name=name,
            slug=_slug(name),
            created_by=by,
            **{field: getattr(campaign, field) for field in COPIED},
        )
        made.playbook = copied(campaign, made)
        made.save(update_fields=["playbook"])
        made.lists.set(campaign.lists.all())
        Content.objects.bulk_create(
            Content(campaign=made, **{field: getattr(one, field) for field in COPIED_CONTENT})
            for one in campaign.contents.order_by("pk")
        )
    return made


def make_follow_up(campaign: Campaign, when: str, hours: int, by: User) -> Campaign:
    """A draft that people of `campaign` are sent once `when` is so of them since so many hours: a copy that a new text
    is to be written into. It keeps to the same lists, of which some ask people to confirm, and leaves out the same."""
    meant = campaign.meant
    with transaction.atomic():
        suffix = f": {NAMES[FollowWhen(when)]}"
        made = duplicate(campaign, f"{campaign.name[: LONGEST_NAME - len(suffix)]}{suffix}", by)
        made.follows, made.follow_when, made.follow_hours = campaign, when, hours
        made.conditions = Conditions(excluded=meant.excluded, everybody=meant.everybody).as_json
        made.segment, made.canary_percent, made.spread_hours = None, 0, None
        made.save()
    return made


def copy_name(campaign: Campaign) -> str:
    """What a copy is called unless somebody says otherwise."""
    return f"{campaign.name[: LONGEST_NAME - 7]} (copy)"


def usual_sender(channel: str) -> Sender | None:
    """Who sends on a channel unless somebody chooses: of those that may send the one used last, else any of them.

    One that may not where none may; None where there is none.
    """
    senders = Sender.objects.filter(channel=channel)
    ready = senders.filter(state__in=SENDER_MAY_SEND)
    last = Content.objects.filter(channel=channel, sender__state__in=SENDER_MAY_SEND).order_by("-pk").first()
    return (
        last.sender
        if last
        else ready.order_by("name", "pk").first() or senders.order_by("name", "pk").first()
    )


def draft_without_people(by: User) -> Campaign | None:
    """Their newest draft, if it means nobody yet."""
    theirs = Campaign.objects.filter(state=Campaign.State.DRAFT, created_by=by, follows=None)
    newest = theirs.order_by("-pk").first()
    if newest is None or newest.meant.everybody or newest.meant.narrowed or newest.lists.exists():
        return None
    return newest


def rename(pk: int, name: str) -> bool:
    """Its link name stays: it may stand in a bookmark. False where it is no draft any more."""
    return bool(Campaign.objects.filter(pk=pk, state=Campaign.State.DRAFT).update(name=name))


def delete_draft(pk: int) -> bool:
    """Delete it with all that it says. False where another campaign follows it up, and where it is no draft or was
    launched at some time: that is a record."""
    with transaction.atomic():
        draft = (
            Campaign.objects.select_for_update()
            .filter(pk=pk, state=Campaign.State.DRAFT, launched_at=None)
            .first()
        )
        if draft is None or draft.follow_ups.exists():
            return False
        follow(draft, began_from(draft))  # away from a playbook of its own, which goes with it
        draft.delete()
    return True


@contextmanager
def editing(pk: int, section: str, *, seen: int, by: User, now: datetime) -> Iterator[None]:
    """A transaction in which `section` of a draft is changed; `seen` is what `edited` was when it was shown.

    Raises NoDraft, and DraftChanged where the section was changed since. Other sections may have been: they are others'
    texts, and stay as they are.
    """
    with transaction.atomic():
        draft = Campaign.objects.select_for_update().filter(pk=pk, state=Campaign.State.DRAFT).first()
        if draft is None:
            raise NoDraft(pk)
        if draft.section_edits.get(section, 0) > seen:
            raise DraftChanged(draft.edited_by, draft.edited_at)
        yield
        count_edit(draft, [section], by, now)


def count_edit(draft: Campaign, sections: list[str], by: User | None, now: datetime) -> None:
    """Say that these sections of its page were changed. For whoever holds the lock, or nobody else edits."""
    draft.edited += 1
    draft.section_edits = {**draft.section_edits, **dict.fromkeys(sections, draft.edited)}
    draft.edited_at, draft.edited_by = now, by
    draft.save(update_fields=["edited", "section_edits", "edited_at", "edited_by"])


def _usual_channel() -> tuple[str, Sender | None]:
    """The first channel that has a sender; SMS without one where none has."""
    for channel in Channel.values:
        if sender := usual_sender(channel):
            return channel, sender
    return Channel.SMS, None


def _slug(name: str) -> str:
    slug = free_slug(name, Campaign.objects.all(), "campaign")
    return (
        free_slug(f"{name} campaign", Campaign.objects.all(), "campaign") if slug in RESERVED_SLUGS else slug
    )
