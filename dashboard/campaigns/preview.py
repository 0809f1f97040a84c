"""What one of a campaign's people will read or hear: its texts with that person's own details in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.merging import MergedPiece
from campaigns.models import Content
from campaigns.texts import worded_in_pieces
from contacts.channels import KIND_OF, Channel
from contacts.models import Address, Contact
from contacts.phones import mask
from dashboard.campaigns.skipped import why
from dashboard.shell.pages import may_see
from deliveries.outcomes.keyset import read_id
from deliveries.sending.audience import left_out
from deliveries.sending.checks import Draft
from deliveries.sending.meant import first_contacts

SPOKEN = (Channel.VOICE, Channel.RVM)


class PreviewedText(NamedTuple):
    """What the person gets on one channel. `to` is their address, masked as roles demand; '' where they have none.

    `missing` are the merge fields that they have nothing for.
    """

    channel: str
    sender: str
    to: str
    subject: SafeString
    body: SafeString
    media: str
    missing: list[str]
    use: str  # when it is sent, in a few words

    @property
    def is_spoken(self) -> bool:
        return self.channel in SPOKEN


def preview_context(request: HttpRequest, draft: Draft) -> dict[str, Any]:
    """`person` is the one that the request names, if the campaign means them, else the first; None for nobody, and then
    the texts keep the names of their merge fields.

    `steps` lead to those next to them: (label, name, id or None); `nth` is their place, `stopped` why nothing is sent
    to them, as the end of a sentence. A fixed number of queries.
    """
    people = first_contacts(draft.campaign, draft.now, draft.first)
    wanted = read_id(request.POST.get("person") or request.GET.get("person", ""))
    person = people.filter(pk=wanted).first() if wanted else None
    person = person or people.order_by("pk").first()
    if person is None:
        return {"person": None, "texts": _texts(request, draft, Contact())}
    before = people.filter(pk__lt=person.pk).order_by("-pk")
    after = people.filter(pk__gt=person.pk).order_by("pk")
    return {
        "person": person,
        "steps": [
            ("Previous", "before", before.values_list("pk", flat=True).first()),
            ("Next", "after", after.values_list("pk", flat=True).first()),
        ],
        "nth": people.filter(pk__lte=person.pk).count(),
        "stopped": _stopped(draft, person.pk, draft.now),
        "texts": _texts(request, draft, person),
    }


def _stopped(draft: Draft, pk: int, now: datetime) -> str:
    found = left_out(draft.campaign, draft.senders, now, after=pk - 1, most=1, first=draft.first)
    return why(found[0][1]) if found and found[0][0] == pk else ""


def _texts(request: HttpRequest, draft: Draft, person: Contact) -> list[PreviewedText]:
    """The first channel first."""
    theirs = Address.objects.filter(contact_id=person.pk or 0, preferred=True).order_by("pk")
    addresses = dict(theirs.values_list("kind", "value"))
    full = bool(addresses) and may_see(request)
    contents = sorted(draft.contents.values(), key=lambda one: one.channel != draft.campaign.channel)
    return [_shown(one, person, addresses, _use(draft, one.channel), full=full) for one in contents]


def _use(draft: Draft, channel: str) -> str:
    if channel in draft.senders:
        return "First, or what is likelier to arrive" if draft.chosen_among else "First"
    return "Later, to people not reached before" if channel in draft.later else "Not used"


def _shown(
    content: Content, person: Contact, addresses: dict[str, str], use: str, *, full: bool
) -> PreviewedText:
    channel = Channel(content.channel)
    to = addresses.get(KIND_OF[channel], "")
    subject, body = (worded_in_pieces(text, person) for text in (content.subject, content.body))
    return PreviewedText(
        channel=channel,
        sender=content.sender.value,
        to=to if full else mask(to) if to else "",
        subject=_marked(subject),
        body=_marked(body),
        media=content.media_url,
        missing=list(dict.fromkeys(one.field for one in (*subject, *body) if one.is_missing)),
        use=use,
    )


def _marked(pieces: list[MergedPiece]) -> SafeString:
    """The text, with what is the reader's own marked, and the names of fields in place of what they lack."""
    return format_html_join("", "{}", ((_piece(one),) for one in pieces))


def _piece(piece: MergedPiece) -> str:
    if piece.is_missing:
        return format_html('<mark class="gap" data-b="retryable">{{{}}}</mark>', piece.field)
    return format_html('<span class="own">{}</span>', piece.text) if piece.field else piece.text
