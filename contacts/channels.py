"""The five channels, and what kind of address each one needs. The one place that knows."""

from __future__ import annotations

from django.db import models


class Channel(models.TextChoices):
    SMS = "sms", "SMS"
    MMS = "mms", "MMS"
    VOICE = "voice", "Voice"
    RVM = "rvm", "Ringless voicemail"
    EMAIL = "email", "Email"

    @property
    def in_sentence(self) -> str:
        """Its name inside a sentence: "SMS", "ringless voicemail"."""
        return self.label if self.label.isupper() else self.label.lower()

    @property
    def keeps_hours(self) -> bool:
        """Whether it waits for the hours permitted where the person is. Those for calls and voicemails are the law
        (47 CFR 64.1200(c)(1)), and texts are treated alike; for email CAN-SPAM sets none."""
        return self != Channel.EMAIL


class Kind(models.TextChoices):
    PHONE = "phone", "Phone number"
    EMAIL = "email", "Email address"


class LineType(models.TextChoices):
    MOBILE = "mobile", "Mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile", "Fixed or mobile"
    LANDLINE = "landline", "Landline"
    VOIP = "voip", "VoIP"
    TOLL_FREE = "toll_free", "Toll-free"
    OTHER = "other", "Other"
    UNKNOWN = "unknown", "Unknown"


KIND_OF = {
    Channel.SMS: Kind.PHONE,
    Channel.MMS: Kind.PHONE,
    Channel.VOICE: Kind.PHONE,
    Channel.RVM: Kind.PHONE,
    Channel.EMAIL: Kind.EMAIL,
}


def takes(value: str, channel: str) -> bool:
    """Whether an address in normal form, or the key of one, is of the kind that the channel needs."""
    return KIND_OF[Channel(channel)] == (Kind.EMAIL if "@" in value else Kind.PHONE)


# Lines that cannot take the channel at all. North American numbers do not tell mobile from fixed, so
# "fixed or mobile" and "unknown" pass: only what is known to be impossible is refused.
IMPOSSIBLE_LINES = {
    Channel.SMS: {LineType.LANDLINE, LineType.TOLL_FREE},
    Channel.MMS: {LineType.LANDLINE, LineType.TOLL_FREE},
    Channel.RVM: {LineType.LANDLINE, LineType.TOLL_FREE, LineType.VOIP},
    Channel.VOICE: set(),
    Channel.EMAIL: set(),
}


class Closed(models.TextChoices):
    """How far a permanent failure of an address reaches."""

    NUMBER = "number", "The number is not in service"
    TEXTING = "texting", "The number takes no text messages"
    CHANNEL = "channel", "The number cannot take this channel"


def reported_by(channel: str) -> str:
    """How `AddressHealth.closed_why` ends: on which channel the failure was reported that closes this one or others."""
    return f", reported by {Channel(channel).in_sentence}"


STRIKES = (
    3  # permanent failures in a row, where no playbook says otherwise; as many as the field takes for certain
)


def strike_limit(channel: str, strikes: int, by_code: int = 0) -> int:
    """How many permanent failures in a row block an address on the channel; `strikes` is the playbook's number.

    `by_code`: as many as the codes of the failures ask for, however sure they are (`AddressHealth.enough`); 0 where
    they leave it to the playbook. For email it is then 1: a mailbox that does not exist says so at once (RFC 5321,
    5yz: do not repeat), and mailbox providers judge a sender by how often it asks again.
    """
    return by_code or (1 if channel == Channel.EMAIL else strikes)
