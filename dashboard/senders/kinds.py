"""What a new sender can be: the first step of adding one. Each kind asks only for what senders of that kind have."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.rates import kind_of
from contacts.channels import Channel


@dataclass(frozen=True)
class SenderKind:
    """`value` is the label of what it is known by; `asks`: further fields of its form."""

    key: str
    title: str
    note: str
    channels: tuple[Channel, ...]
    value: str
    example: str
    asks: tuple[str, ...] = ()

    def is_of(self, channel: str, value: str) -> bool:
        """Whether `value`, in its one form, is what this kind asks for."""
        found = kind_of(channel, value)
        if self.key in ("short_code", "alphanumeric"):
            return found == self.key
        return found not in ("short_code", "alphanumeric")


KINDS = {
    one.key: one
    for one in (
        SenderKind(
            "number",
            "Phone number for texts",
            "Local or toll-free. One of the USA or Canada has to be registered before it may send.",
            (Channel.SMS, Channel.MMS),
            "Phone number",
            "With its country code, such as +1 202 555 0142.",
        ),
        SenderKind(
            "short_code",
            "Short code for texts",
            "Leased in one country, where each operator has to approve it.",
            (Channel.SMS, Channel.MMS),
            "Short code",
            "3 to 8 digits.",
            ("country",),
        ),
        SenderKind(
            "alphanumeric",
            "Name for texts",
            "Shown in the place of a number. Nobody can answer it, and some countries carry only registered names.",
            (Channel.SMS,),
            "Name",
            "Up to 11 letters and digits, at least one letter.",
            ("country",),
        ),
        SenderKind(
            "email",
            "From address for email",
            "Its domain needs SPF, DKIM and DMARC: we look at once, and show the records to add.",
            (Channel.EMAIL,),
            "From address",
            "Such as news@example.com.",
            ("dkim_selectors", "warm_up_from"),
        ),
        SenderKind(
            "call",
            "Caller id for calls",
            "The number that people see when the phone rings.",
            (Channel.VOICE,),
            "Phone number",
            "With its country code, such as +1 202 555 0142.",
        ),
        SenderKind(
            "voicemail",
            "Caller id for ringless voicemail",
            "The number that the voicemail names as its caller.",
            (Channel.RVM,),
            "Phone number",
            "With its country code, such as +1 202 555 0142.",
        ),
    )
}
