"""Follow-ups: a campaign whose people are those of an earlier one, each as soon as something is so of them. Pure."""

from __future__ import annotations

from django.db.models import TextChoices

LONGEST_DELAY = 30 * 24  # hours; later, what somebody did is no reason any more
OPEN_DAYS = 60  # after the earlier campaign completed, so long people may still come to be sent the follow-up


class FollowWhen(TextChoices):
    """What has to be so of somebody of the earlier campaign; the labels complete "people who"."""

    REACHED = "reached", "were reached"
    CLICKED = "clicked", "clicked a link"
    REPLIED = "replied", "replied"
    NOT_CLICKED = "not_clicked", "were reached and clicked nothing"
    QUIET = "quiet", "were reached and did nothing"
    NOT_REACHED = "not_reached", "were not reached"


# What the delay counts from, as the end of "2 days after".
SINCE = {
    FollowWhen.REACHED: "it was delivered",
    FollowWhen.CLICKED: "their first click",
    FollowWhen.REPLIED: "their first reply",
    FollowWhen.NOT_CLICKED: "it was delivered",
    FollowWhen.QUIET: "it was delivered",
    FollowWhen.NOT_REACHED: "it was first sent",
}


# What a follow-up is called behind the name of the earlier campaign, until somebody says otherwise.
NAMES = {
    FollowWhen.REACHED: "next step",
    FollowWhen.CLICKED: "next step",
    FollowWhen.REPLIED: "after a reply",
    FollowWhen.NOT_CLICKED: "reminder",
    FollowWhen.QUIET: "reminder",
    FollowWhen.NOT_REACHED: "another way",
}


def delay_words(hours: int) -> str:
    """ "2 days", "36 hours"; whole days as such."""
    n, unit = (hours // 24, "day") if hours and hours % 24 == 0 else (hours, "hour")
    return f"{n} {unit}{'' if n == 1 else 's'}"


def sentence(when: str, hours: int) -> str:
    """The end of "Sent to"."""
    kind = FollowWhen(when)
    return f"people who {kind.label}, {delay_words(hours)} after {SINCE[kind]}"
