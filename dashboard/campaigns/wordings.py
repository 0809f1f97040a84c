"""The wordings of a campaign on one channel: all of them, and two compared."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from accounts.roles import requires
from campaigns.models import Content, ContentVersion
from campaigns.texts import html_for
from campaigns.wording_changes import WordingPiece, changes
from contacts.channels import Channel
from contacts.models import Contact
from contacts.phones import grouped
from deliveries.links import below_html
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.normal_versions import last_normal, senders_before
from deliveries.sending.meant import first_contacts

NORMAL = "normal"  # in place of a number: the last wording of the sender that arrived as it should
MARKS = {
    kind: (mark_safe(f"<{tag}>"), mark_safe(f"</{tag}>"))  # noqa: S308 - constants of ours
    for kind, tag in (("same", "span"), ("out", "del"), ("in", "ins"))
}


class ChangedField(NamedTuple):
    """A field of the two wordings with what changed marked; `differs` where anything did."""

    label: str
    pieces: list[WordingPiece]

    @property
    def differs(self) -> bool:
        return any(one.kind != "same" for one in self.pieces)

    @property
    def marked(self) -> SafeString:
        """Without a blank that is not in the texts: they count here."""
        pairs = ((*MARKS[one.kind], one.text) for one in self.pieces)
        return format_html_join("", "{0}{2}{1}", pairs)


@requires("campaigns.view_report", "campaigns.view_content")
@require_safe
def wordings(request: HttpRequest, slug: str, channel: str) -> HttpResponse:
    """`?from=` and `to=` are numbers of versions; by default the last two. `from=normal` is the last one of its sender
    that arrived as it should."""
    content = get_object_or_404(
        Content.objects.select_related("campaign", "sender"), campaign__slug=slug, channel=channel
    )
    kept = list(content.versions.select_related("sender", "made_by"))
    new = _chosen(kept, request.GET.get("to", ""), -1)
    old = _chosen(kept, request.GET.get("from", ""), -2)
    other = None
    if request.GET.get("from") == NORMAL:
        found = last_normal(content.sender_id, channel, without=content.campaign_id)
        old, other = (found.version, found) if found else (None, None)
    context = {
        "title": f"Wordings by {content.get_channel_display()}",
        "campaign": content.campaign,
        "content": content,
        "versions": kept,
        "old": old,
        "new": new or content,
        "new_number": new.number if new else content.version,
        "other": other,
        "compares": bool(senders_before({content.sender_id: channel}, without=content.campaign_id)),
        "sought": request.GET.get("from") == NORMAL,
        "changed": compared(old, new or content) if old else [],
    }
    return render(request, "campaigns/wordings.html", context)


# Scripts, forms and frames of an author's HTML do nothing, and it is no page of this site.
AS_MAIL = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'"


@requires("campaigns.view_report", "campaigns.view_content")
@require_safe
def html(request: HttpRequest, slug: str) -> HttpResponse:
    """The HTML of a campaign's email as mail programs show it, to the first of its people; 404 where it has none."""
    content = get_object_or_404(
        Content.objects.select_related("campaign").exclude(html=""),
        campaign__slug=slug,
        channel=Channel.EMAIL,
    )
    person = first_contacts(content.campaign, timezone.now()).order_by("pk").first()
    shown = below_html(html_for(content, person or Contact()), "#unsubscribe")
    return HttpResponse(
        shown, headers={"Content-Security-Policy": AS_MAIL, "X-Content-Type-Options": "nosniff"}
    )


def compared(old: ContentVersion, new: ContentVersion | Content) -> list[ChangedField]:
    """Field by field, those that either has."""
    fields = (
        ("Sender", "sender"),
        ("Subject", "subject"),
        ("Text", "body"),
        ("HTML", "html"),
        ("Picture or recording", "media_url"),
        ("Call", "call"),
    )
    pairs = [(label, _words(old, name), _words(new, name)) for label, name in fields]
    return [ChangedField(label, changes(before, after)) for label, before, after in pairs if before or after]


def _words(version: ContentVersion | Content, name: str) -> str:
    if name == "call":
        return _call(version)
    return grouped(version.sender.value) if name == "sender" else str(getattr(version, name))


def _call(version: ContentVersion | Content) -> str:
    """What it does beside speaking; '' for what is no call."""
    content = version.content if isinstance(version, ContentVersion) else version
    if content.channel != Channel.VOICE:
        return ""
    more = f"{version.key_more} asks for more" if version.key_more else "Any key asks for more"
    return (
        f"{more}, {version.key_stop} ends such calls. A machine: {version.get_on_machine_display().lower()}."
    )


def _chosen(kept: list[ContentVersion], number: str, otherwise: int) -> ContentVersion | None:
    """The version of that number, else the one at that place from the end."""
    named = read_id(number)
    if named:
        return next((one for one in kept if one.number == named), None)
    return kept[otherwise] if len(kept) >= -otherwise else None
