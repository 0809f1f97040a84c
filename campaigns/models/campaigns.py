"""What we mean to say: to whom, when, through which channels, and with which goal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from datetime import timezone as tz
from functools import cached_property
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from campaigns import conditions
from campaigns.conditions import Conditions
from campaigns.follow_ups import FollowWhen, sentence
from campaigns.links import tracked_by_default
from campaigns.models.audiences import Segment
from campaigns.models.playbooks import Playbook
from campaigns.models.senders import Sender
from contacts import states
from contacts.channels import Channel
from contacts.gate import Ask
from contacts.jurisdictions import Purpose
from contacts.models import ContactList

CANARY_PERCENT, MOST_CANARY_PERCENT = 5, 50


class Goal(models.TextChoices):
    EXPOSURE = "exposure", "Success = delivered"
    CONVERSATION = "conversation", "Success = answered call, not voicemail"


class Priority(models.TextChoices):
    NORMAL = "normal", "Normal"
    URGENT = "urgent", "Urgent"


# Names of pages at the same place: a campaign with one of them could not be opened.
RESERVED_SLUGS = {"new"}


def not_reserved(slug: str) -> None:
    """Raises ValidationError for the name of a page."""
    if slug in RESERVED_SLUGS:
        raise ValidationError(f"“{slug}” is the name of a page. Choose another.")


SCHEDULED = "Scheduled"  # for readers, of one that was launched and has not begun
MOST_PER_MINUTE = 60_000
LONGEST_SPREAD = 72  # hours; what a campaign says is news for no longer
EARLIEST = tz(timedelta(hours=14))  # where a time of the clock comes first (Kiritimati)


class CampaignQuerySet(models.QuerySet):
    def not_begun(self, now: datetime) -> CampaignQuerySet:
        """Those of which `has_begun` says no."""
        return self.filter(Q(starts_at__gt=now) | Q(launched_at__gt=now))


class Campaign(models.Model):
    """What we mean to say, to whom, when, through which channels, with which goal."""

    State = states.CampaignState

    name = models.CharField(max_length=120)
    slug = models.SlugField("link name", max_length=140, unique=True, validators=[not_reserved])
    goal = models.CharField(
        max_length=12,
        choices=Goal,
        default=Goal.EXPOSURE,
        help_text="Whether a call that went to voicemail is a success. A text or an email is one once it is delivered.",
    )
    priority = models.CharField(max_length=8, choices=Priority, default=Priority.NORMAL)
    purpose = models.CharField(
        "what it is for",
        max_length=12,
        choices=Purpose,
        default=Purpose.MARKETING,
        help_text="Marketing also keeps the hours and days that the law permits where each person is; so does every"
        " voicemail.",
    )
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    lists = models.ManyToManyField(ContactList, related_name="campaigns", blank=True)
    conditions = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        validators=[conditions.validate],
        help_text="Who of the lists is meant, as campaigns/conditions.py has it. Empty: all of them.",
    )
    segment = models.ForeignKey(
        Segment,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="campaigns",
        help_text="The saved segment that its lists and conditions were copied from.",
    )
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="follow_ups",
        help_text="The earlier campaign whose people it means, each once the condition below is so of them.",
    )
    follow_when = models.CharField(max_length=12, choices=FollowWhen, blank=True, editable=False)
    follow_hours = models.PositiveSmallIntegerField(default=0, editable=False)
    channel = models.CharField(
        max_length=8, choices=Channel, default=Channel.SMS, help_text="The first attempt's channel."
    )
    playbook = models.ForeignKey(Playbook, on_delete=models.RESTRICT, related_name="campaigns")
    window_start = models.TimeField(
        "send from", default=time(9), help_text="In each recipient's own time zone."
    )
    window_end = models.TimeField(
        "send until", default=time(21), help_text="With 21:00, the last message is sent at 20:59."
    )
    starts_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Empty: as soon as it is launched. Of one that starts at local times: the earliest of them.",
    )
    local_date = models.DateField(
        "starts on, where each person is",
        null=True,
        blank=True,
        help_text="With the time below: each person gets it when their own clock shows that. Empty: all at one moment.",
    )
    local_time = models.TimeField("starts at, where each person is", null=True, blank=True)
    per_minute = models.PositiveIntegerField(
        "messages a minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_PER_MINUTE)],
        help_text="At most so many of this campaign leave each minute. Empty: as fast as its sender may.",
    )
    spread_hours = models.PositiveSmallIntegerField(
        "spread over (hours)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SPREAD)],
        help_text="First messages are spread evenly over so many hours, from when each person may get it.",
    )
    relevant_until = models.DateTimeField(
        "don't send after",
        null=True,
        blank=True,
        help_text="After this nothing is sent or retried. Empty: no limit.",
    )
    canary_percent = models.PositiveSmallIntegerField(
        "first slice",
        default=CANARY_PERCENT,
        db_default=CANARY_PERCENT,
        validators=[MaxValueValidator(MOST_CANARY_PERCENT)],
        help_text="Percent of a large audience, chosen at random, that is written to first: the others wait until its"
        " outcomes are known. 0: everybody at once.",
    )
    breaker = models.BooleanField(
        "stops by itself",
        default=True,
        db_default=True,
        help_text="Paused as soon as failures are surely above what is usual. Only an administrator switches it off.",
    )
    track_links = models.BooleanField(
        "count clicks",
        default=tracked_by_default,
        help_text="Links in texts and emails leave as short ones on our own domain, so that a click is known.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    # Who changed it last while it was a draft. `edited` counts the changes; `section_edits` says at which count each
    # section of its page was changed last, so that nobody overwrites what they have not seen.
    edited = models.PositiveIntegerField(default=0, editable=False)
    section_edits = models.JSONField(default=dict, editable=False)
    edited_at = models.DateTimeField(null=True, editable=False)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    launched_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    # Where the expansion of the audience stands, so that it can resume and show its progress.
    audience_size = models.PositiveIntegerField(default=0, editable=False)
    expanded_to = models.BigIntegerField(
        default=0, editable=False, help_text="Contacts up to this id have their row."
    )
    expanded_count = models.PositiveIntegerField(default=0, editable=False)
    outbox_to = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="What waits is being held or let go: messages up to this id are. Empty: all of them are.",
    )

    leaves_out = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="It goes on without a part of its audience.",
    )

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(window_start__lt=models.F("window_end")),
                name="window_opens_first",
                violation_error_message="The time to send until must be later than the time to send from.",
            ),
            models.CheckConstraint(
                condition=Q(local_date=None, local_time=None)
                | Q(local_date__isnull=False, local_time__isnull=False, starts_at__isnull=False),
                name="local_start_has_both",
                violation_error_message="Give the day and the time where each person is, or neither.",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="campaign_outbox", condition=Q(outbox_to__isnull=False)),
        ]
        permissions = [
            ("view_report", "May open campaign reports and action queues"),
            ("launch_campaign", "May launch, pause and cancel campaigns"),
            ("guard_campaign", "May let a campaign go on whatever fails"),
            ("export_report", "May export reports"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("campaigns:report", args=[self.slug])

    def clean(self) -> None:
        if self.window_start and self.window_end and self.window_start >= self.window_end:
            raise ValidationError({"window_end": "This must be later than the time to send from."})
        if (self.local_date is None) != (self.local_time is None):
            raise ValidationError(
                {"local_time": "Give the day and the time where each person is, or neither."}
            )
        if local := self.local_start:
            # Until its audience is known: where it is that time first on Earth.
            self.starts_at = self.starts_at or local.replace(tzinfo=EARLIEST)

    @property
    def local_start(self) -> datetime | None:
        """What each person's own clock shows when they first may get it, without a zone; None where it starts for all
        at one moment."""
        if self.local_date is None or self.local_time is None:
            return None
        return datetime.combine(self.local_date, self.local_time)

    def start_in(self, zones: Iterable[ZoneInfo], start: datetime) -> datetime:
        """When it starts for somebody who may be in any of `zones`, not before `start`: once it is that time in all."""
        local = self.local_start
        return start if local is None else max([start, *(local.replace(tzinfo=zone) for zone in zones)])

    @property
    def meant(self) -> Conditions:
        """Who of its lists is meant."""
        return conditions.of(self.conditions)

    @property
    def follows_whom(self) -> str:
        """Of a follow-up whom it means, as the end of "Sent to"; '' of any other."""
        return sentence(self.follow_when, self.follow_hours) if self.follow_when else ""

    @property
    def is_going(self) -> bool:
        """Launched, and neither over nor canceled."""
        return self.state in {self.State.LAUNCHING, self.State.SENDING, self.State.PAUSED}

    @property
    def is_over(self) -> bool:
        """Nothing more of it leaves, ever."""
        return self.state in {self.State.COMPLETED, self.State.CANCELED}

    @property
    def begins_at(self) -> datetime | None:
        """When its first message leaves, or left; a launch does not make that earlier. None: at once."""
        return max(filter(None, [self.launched_at, self.starts_at]), default=None)

    def has_begun(self, now: datetime) -> bool:
        """Whether its first message may have left."""
        return self.begins_at is None or now >= self.begins_at

    def state_words(self, now: datetime) -> str:
        """Its state for a reader: what was launched and has not begun is scheduled."""
        if not self.has_begun(now) and self.state in {self.State.LAUNCHING, self.State.SENDING}:
            return SCHEDULED
        return self.get_state_display()

    @property
    def is_urgent(self) -> bool:
        return self.priority == Priority.URGENT

    @property
    def keeps_hours(self) -> bool:
        """Whether its first messages wait for the hours permitted where each person is."""
        return Channel(self.channel).keeps_hours

    @property
    def keeps_law(self) -> bool:
        """Whether they wait as well for the hours that the law permits, which has some for whatever a machine says."""
        spoken = self.channel in (Channel.VOICE, Channel.RVM)
        return bool(self.keeps_hours and (self.purpose == Purpose.MARKETING or spoken))

    @property
    def hours(self) -> str:
        """When messages may leave, in the recipient's own time."""
        if self.window_start <= time(0, 0, 59) and self.window_end >= time(23, 59):
            return "Sends at any hour"
        start, end = (f"{one:%H:%M}" for one in (self.window_start, self.window_end))
        return f"Sends {start}-{end}, recipient's time"

    @property
    def channels(self) -> list[str]:
        """The first channel, then those the playbook may switch to and that have content."""
        ready = set(self.contents.values_list("channel", flat=True))
        return [self.channel, *(c for c in self.moves_to if c in ready and c != self.channel)]

    @property
    def moves_to(self) -> list[str]:
        """The channels that its playbook may change to, in order of preference; its own among them where the first
        message may have taken another."""
        wanted = self.playbook.urgent_switch_to if self.is_urgent else self.playbook.switch_to
        return list(dict.fromkeys([self.channel, *wanted])) if self.playbook.by_chance else wanted

    @property
    def first_channels(self) -> list[str]:
        """The channels that first messages may take: its own, or all, where each person gets the likeliest."""
        return self.moves_to if self.playbook.by_chance else [self.channel]

    @cached_property
    def slices_out(self) -> list[tuple[str, str, str]]:
        """(channel, dimension, value) of what it goes on without. A query only where there is something."""
        if not self.leaves_out:
            return []
        return list(self.left_out.values_list("channel", "dimension", "value"))

    def ask(self, key: int, *, contact_id: int, address_id: int | None, channel: str, sender: Sender) -> Ask:
        """The gate's question about one message of this campaign; `key` comes back with the verdict.

        `address_id` is None where the person has no address for the channel.
        """
        meant = self.meant
        return Ask(
            key=key,
            contact_id=contact_id,
            address_id=address_id,
            channel=channel,
            sender_value=sender.value,
            window_start=self.window_start,
            window_end=self.window_end,
            campaign_state=self.state,
            sender_state=sender.state,
            relevant_until=self.relevant_until,
            strikes=self.playbook.strikes,
            purpose=self.purpose,
            campaign_id=self.pk,
            left_out=tuple((dimension, value) for on, dimension, value in self.slices_out if on == channel),
            by_lists=not meant.everybody,
            excluded=meant.excluded,
            hold_out=meant.hold_out,
        )
