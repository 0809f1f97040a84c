"""What a list of messages says when it has no rows: what became of them, or what is to come."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from campaigns.models import Campaign, Recipient
from deliveries.outcomes.figures import CampaignFigures
from deliveries.statuses import Queue
from deliveries.wording import begins_words


class Empty(NamedTuple):
    title: str
    sentence: str


QUEUE_IS_GOOD_NEWS = {
    Queue.RETRY: Empty(
        "Nothing to retry",
        "No temporary failure is inside its retry window, and no corrected address waits.",
    ),
    Queue.SWITCH: Empty("Nothing to move", "No message waits for another channel."),
    Queue.CORRECT: Empty("Nothing to correct", "No address was reported as wrong."),
    Queue.REVIEW: Empty("Nothing to review", "No content or sender was refused."),
    Queue.SUPPRESS: Empty(
        "Nothing to suppress",
        "Nobody opted out or failed too often without being blocked already.",
    ),
    Queue.WATCH: Empty(
        "Nothing waits for a receipt",
        "No message is delayed, or without a receipt, for longer than expected.",
    ),
}
NOBODY_STANDS_THERE = {
    Recipient.State.FAILED: Empty(
        "Nobody was left unreached", "Everybody written to was reached, or is not given up."
    ),
    Recipient.State.UNKNOWN: Empty("Nobody is in doubt", "A receipt came for everybody who was written to."),
    Recipient.State.OPEN: Empty("Nobody is open", "It is over for everybody who was written to."),
    Recipient.State.PLANNED: Empty("Everybody was begun with", "Nobody waits for a first message."),
    Recipient.State.SKIPPED: Empty("Nobody was skipped", "Everybody on its lists could be written to."),
    Recipient.State.REACHED: Empty("Nobody was reached yet", "People appear here once a message arrives."),
}
# Whoever is on the lists of a campaign in these states was looked at.
LOOKED_AT = {Campaign.State.SENDING, Campaign.State.COMPLETED}
NO_MATCH = Empty(
    "Nothing matches these filters", "Every filter that is set narrows the list. Clear some of them."
)
ALL_SNOOZED = Empty(
    "Nothing to do now", "Every message of this queue is snoozed. Each comes back at its time."
)
NO_MESSAGES = Empty("No messages yet", "They appear here as soon as a campaign is launched.")


def no_rows(queue: str, *, filtered: bool, person: str, snoozed: bool, unsent: Empty | None) -> Empty:
    """What a list says; `unsent` is why its campaign has sent nothing, where that is so; `person`: where the people
    stand that it lists, '' for a list of messages."""
    if filtered:
        return Empty(NO_MATCH.title, unsent.sentence) if unsent else NO_MATCH
    if snoozed:
        return ALL_SNOOZED
    if person and not queue:
        nobody = NOBODY_STANDS_THERE[Recipient.State(person)]
        return Empty(nobody.title, unsent.sentence) if unsent else nobody
    if queue:
        news = QUEUE_IS_GOOD_NEWS[Queue(queue)]
        return Empty(news.title, unsent.sentence) if unsent else news
    return unsent or NO_MESSAGES


def unsent(campaign: Campaign, figures: CampaignFigures, now: datetime) -> Empty | None:
    """Why nothing of the campaign has left; None once something has, or may have."""
    state = Campaign.State(campaign.state)
    begins = campaign.begins_at
    waits = campaign.is_going and begins is not None and now < begins
    if figures.outcomes.sent and not waits:
        return None
    if state == Campaign.State.CANCELED:
        return Empty("Canceled before anything was sent", _canceled(figures.outcomes.canceled))
    if skipped := _all_skipped(campaign, figures):
        return Empty("Nothing was sent" if campaign.is_over else "Nothing to send", skipped)
    if state == Campaign.State.COMPLETED:
        return Empty("Nothing was sent", "Nobody was on its lists when it was launched.")
    if state == Campaign.State.PAUSED:
        until = f" It was scheduled for {begins_words(campaign)}." if waits and begins else ""
        return Empty(
            "Nothing sent yet", f"The campaign is paused. Nothing is sent before it is resumed.{until}"
        )
    if waits and begins:
        return Empty("Nothing sent yet", f"Nothing is sent before {begins_words(campaign)}.")
    return Empty("Nothing sent yet", "Messages appear here as soon as they are prepared.")


def _canceled(messages: int) -> str:
    if not messages:
        return "The campaign was canceled before a message was made, and nobody was contacted."
    became = "1 message was" if messages == 1 else f"{messages:,} messages were"
    return f"{became} canceled, and nobody was contacted."


def _all_skipped(campaign: Campaign, figures: CampaignFigures) -> str:
    """Of an audience that was looked at to the end; '' when somebody was not skipped.

    It can be smaller in the end than it was at the launch: people are taken off lists meanwhile.
    """
    skipped = figures.recipients.get(Recipient.State.SKIPPED, 0)
    looked_at = campaign.state in LOOKED_AT or skipped >= campaign.audience_size
    if not skipped or not looked_at or skipped < sum(figures.recipients.values()):
        return ""
    who = "The one person on its lists was" if skipped == 1 else f"All {skipped:,} people on its lists were"
    return f"{who} skipped, and nobody was contacted."
