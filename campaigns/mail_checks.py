"""What is looked at in a mail alone: its way out, its plain text, its size, its subject. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from campaigns.checked_text import Remark, Text
from campaigns.html_hiding import what_hides_the_end
from contacts.channels import Channel

GMAIL_SHOWS = (
    102 * 1024
)  # bytes of HTML; Gmail hides the rest behind "View entire message" (Mailchimp, Gmail clipping)
SUBJECT_SHOWN = 70  # characters of a subject that most programs show


def mail_can_be_ended(text: Text) -> Iterator[Remark]:
    if text.channel == Channel.EMAIL and not text.unsubscribe:
        yield Remark(
            "unsubscribe", "warns",
            "The unsubscribe link below the mail leads to this machine, which nobody can open from outside.",
            "Set PUBLIC_URL to the address that people reach: Gmail and Yahoo require a way out in mail to many.",
        )  # fmt: skip


def mail_shows_the_way_out(text: Text) -> Iterator[Remark]:
    hides = what_hides_the_end(text.html) if text.channel == Channel.EMAIL else ""
    if hides:
        yield Remark(
            "unsubscribe hidden", "warns", f"The unsubscribe link below the mail would not be seen: {hides} hides it.",
            "It stands at the end of the HTML: take that out, or close the element before the end.", "html",
        )  # fmt: skip


def mail_has_text(text: Text) -> Iterator[Remark]:
    if text.channel == Channel.EMAIL and text.html and len(text.body.split()) < 3:
        yield Remark(
            "text part", "warns", "The mail has HTML, and next to no plain text.",
            "Filters distrust that, and some programs show only text: write what it says there, too.",
        )  # fmt: skip


def mail_is_shown_whole(text: Text) -> Iterator[Remark]:
    octets = len(text.html.encode())
    if text.channel == Channel.EMAIL and octets > GMAIL_SHOWS:
        yield Remark(
            "size", "warns", f"The HTML has {octets // 1024:,} KB.",
            "Gmail cuts off what is beyond 102 KB, the unsubscribe link with it: make it smaller.", "html",
        )  # fmt: skip


def subject_is_honest(text: Text) -> Iterator[Remark]:
    if text.channel != Channel.EMAIL:
        return
    if match := re.match(r"\s*(?:re|fw|fwd)\s*:", text.subject, re.I):
        yield Remark(
            "subject", "warns", f"The subject begins with “{match.group().strip()}”, as if it were an answer.",
            "The law forbids subjects that mislead (15 USC 7704(a)(2)): take it out.", "subject", *match.span(),
        )  # fmt: skip
    if len(text.subject) > SUBJECT_SHOWN:
        yield Remark(
            "subject", "warns", f"The subject has {len(text.subject)} characters.",
            f"Most programs show about {SUBJECT_SHOWN}: say what matters first.", "subject",
        )  # fmt: skip


MAIL_CHECKS: tuple[Callable[[Text], Iterator[Remark]], ...] = (
    mail_can_be_ended,
    mail_shows_the_way_out,
    mail_has_text,
    mail_is_shown_whole,
    subject_is_honest,
)
