"""Which keys a call listens for: one that ends such calls, and one that asks for more. They are part of what is said,
so each version of it keeps its own: what a key meant is what the person heard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from campaigns.models import ContentVersion
from contacts.channels import Channel
from contacts.keywords import KEY_FOR_STOP, pressed

Meaning = Literal["stop", "more", "other"]
LeftWith = tuple[
    int | None, int
]  # a campaign's id, and the number of the version that a message of it left with


class CallKeys(NamedTuple):
    """`more` is '' where any key asks for it. The usual key for stop means that, whatever else is chosen."""

    more: str = ""
    stop: str = KEY_FOR_STOP

    def meaning(self, text: str) -> Meaning:
        key = text.strip("#* ")
        if key == self.stop or pressed(text) == "stop":
            return "stop"
        return "more" if key and self.more in ("", key) else "other"


USUAL = CallKeys()


def keys_of(left_with: Iterable[LeftWith]) -> dict[LeftWith, CallKeys]:
    """Of calls that left with these; one that is not there listened for the usual ones. One query, if any."""
    campaigns = {campaign for campaign, _ in left_with if campaign}
    if not campaigns:
        return {}
    kept = ContentVersion.objects.filter(content__campaign_id__in=campaigns, content__channel=Channel.VOICE)
    return {
        (campaign, number): CallKeys(more, stop)
        for campaign, number, more, stop in kept.values_list(
            "content__campaign_id", "number", "key_more", "key_stop"
        )
    }
