"""Tags and filters of the interface: icons, pills, times, shares."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django import template
from django.forms import BoundField, MultiWidget
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from accounts.zones import zone_words
from campaigns.media import is_web_address
from contacts.channels import Channel
from dashboard.shell.icons import ICONS
from deliveries.bulk.actions import GRACE
from deliveries.models import Message
from deliveries.outcomes.rounding import percent_of
from deliveries.outcomes.thresholds import GAUGE_FROM, POOR_BELOW, WATCH_BELOW
from deliveries.statuses import BUCKETS, Disposition
from deliveries.wording import begins_shortly, date_words, wording, zoned

register = template.Library()
register.filter(begins_shortly)  # of a campaign that has a beginning

_DISPOSITION_OF = {bucket: disposition for disposition, bucket in BUCKETS.items()}
_WORDS_DAYS = timedelta(days=14)


@register.simple_tag
def icon(name: str) -> SafeString:
    """One icon of `ICONS` as inline SVG, hidden from screen readers: a word always stands beside it."""
    # The paths are constants of ours. The stroke stands in ui.css, once, instead of in every row of a table; the
    # size here as well, or a page whose style sheet did not come would be filled by its first icon.
    return mark_safe(  # noqa: S308
        f'<svg class="i" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{ICONS[name]}</svg>'
    )


@register.filter
def bucket(disposition: str) -> str:
    """The interface's name of a disposition, for `data-b`; bucket names pass, anything else is unknown."""
    if disposition in _DISPOSITION_OF:
        return disposition
    return BUCKETS.get(disposition, "unknown")  # type: ignore[call-overload]


@register.filter
def outcome(message: Message) -> str:
    """Where a message stands, in the word of its channel."""
    found = wording(message.channel, message.status, message.failure_class, message.goal, message.evidence)
    return found.label


@register.filter
def control(field: BoundField) -> str:
    """The id of what a link to a field leads to: its first box where it has several, a group of choices as a whole."""
    widget = field.field.widget
    if isinstance(widget, MultiWidget):
        return f"{field.auto_id}{widget.widgets_names[0]}"  # type: ignore[attr-defined]
    return field.id_for_label or field.auto_id


@register.inclusion_tag("ui/_pill.html")
def pill(disposition: str, label: str = "", *, plain: bool = False) -> dict[str, object]:
    """A pill of the bucket of `disposition` (either vocabulary). Without a label it says the bucket's own word.

    `plain` leaves the icon out, for states that are no outcome.
    """
    name = bucket(disposition)
    return {"bucket": name, "label": label or Disposition(_DISPOSITION_OF[name]).label, "plain": plain}


@register.simple_block_tag
def crumbs(content: str) -> SafeString:
    """The path to a page. `content` is its steps as list items, the page itself the last of them."""
    return format_html('<nav class="crumbs" aria-label="Breadcrumb"><ol>{}</ol></nav>', content)


@register.simple_block_tag
def nothing(content: str, title: str, *, icon: str = "", url: str = "", action: str = "") -> SafeString:
    """What stands where there is nothing to show. `content` says why; `url` and `action` are the one button."""
    # A block, for a tag cannot go over several lines, and these sentences need them.
    text = mark_safe(content.strip())  # noqa: S308 - the template has escaped it
    context = {"title": title, "text": text, "icon": icon, "url": url, "action": action}
    return render_to_string("ui/_empty.html", context)


@register.simple_block_tag
def confirm(content: str, name: str, title: str) -> SafeString:
    """A dialog that asks before an act. `content` is a form's inside; a button with `popovertarget="<name>"` opens it.

    It lies in the browser's top layer, so that nothing around it can cut or cover it, and needs no script.
    """
    return render_to_string("ui/_confirm.html", {"name": name, "title": title, "content": mark_safe(content)})  # noqa: S308 - the template has escaped it


@register.simple_block_tag
def oneline(content: str) -> SafeString:
    """`content` on one line: what must be sent, or shown, without breaks can be laid out over several all the same."""
    # Only what HTML takes for white space: a space that must not break stays what it is.
    text = re.sub(r"[ \t\r\n\f]+", " ", content).strip(" ")
    # What an included template ends with is a line break: no space before the comma that follows.
    return mark_safe(re.sub(r" ([,.;])(?=\s|$)", r"\1", text))  # noqa: S308 - the template has escaped it


@register.simple_tag
def channel(value: str) -> SafeString:
    """Icon and name of a channel."""
    return format_html('<span class="channel">{}{}</span>', icon(value), Channel(value).label)


@register.inclusion_tag("ui/_gauge.html")
def gauge(rate: float | None, name: str) -> dict[str, object]:
    """The delivery rate (0..1) on a scale from GAUGE_FROM to 100 %, with ticks at the marks, in a bucket's colour."""
    marks = (POOR_BELOW, WATCH_BELOW)
    return {
        "bucket": bucket(name),
        "filled": f"{_along(rate or 0):.2f}",
        "ticks": [f"{_along(mark):.0f}" for mark in marks],
        "scale": [(f"{_along(mark):.0f}", f"{mark * 100:.0f}") for mark in (GAUGE_FROM, *marks, 1.0)],
    }


def _along(rate: float) -> float:
    """Where a rate (0..1) stands on the gauge: 0..100."""
    return min(max((rate - GAUGE_FROM) / (1 - GAUGE_FROM), 0), 1) * 100


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago in the shortest words: "now", "3 min", "5 h", "2 d", then the date; "in 3 min" ahead of us."""
    if moment is None:
        return "—"
    gap = timezone.now() - moment
    length = abs(gap)
    if length < timedelta(minutes=1):
        return "now"
    if length >= _WORDS_DAYS:
        return date_words(timezone.localtime(moment))
    if length < timedelta(hours=1):
        words = f"{length // timedelta(minutes=1)} min"
    elif length < timedelta(days=2):
        words = f"{length // timedelta(hours=1)} h"
    else:
        words = f"{length.days} d"
    return words if gap > timedelta(0) else f"in {words}"


def waiting(moment: datetime) -> str:
    """For how long something has been waiting: "<1 min", "3 min", "5 h", "2 d", then "since" its date."""
    gap = timezone.now() - moment
    if gap < timedelta(minutes=1):
        return "<1 min"
    return f"since {ago(moment)}" if gap >= _WORDS_DAYS else ago(moment)


@register.simple_tag
def moment(value: datetime | None, style: str = "time") -> SafeString:
    """A `<time>` with the absolute time and its zone as title.

    `style`: "time" 17 Nov, 09:00; "zoned" 17 Nov, 09:00 (Europe/Madrid); "clock" 09:00; "clock zoned" 09:00
    (Europe/Madrid); "day" 17 Nov 2026; "ago" 3 min; "wait" 3 min, since 17 Nov.
    """
    if value is None:
        return mark_safe("—")
    local = timezone.localtime(value)
    shown = {
        "time": lambda: f"{date_words(local)}, {local:%H:%M}",
        "zoned": lambda: zoned(value),
        "clock": lambda: f"{local:%H:%M}",
        "clock zoned": lambda: f"{local:%H:%M} ({zone_words()})",
        "day": lambda: date_format(local, "j M Y"),
        "ago": lambda: ago(value),
        "wait": lambda: waiting(value),
    }[style]()
    clock, exact = "%H:%M:%S", value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if style in (
        "ago",
        "wait",
    ):  # in lists, where every character counts fifty times: the title has the minute
        clock, exact = "%H:%M", f"{local:%Y-%m-%d}"
    title = f"{date_format(local, 'j M Y')}, {local.strftime(clock)} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, title, shown)


@register.simple_tag
def undo_seconds() -> int:
    """For how long what was done to one row can be undone for certain: so long its message offers that."""
    return int(GRACE.total_seconds())


@register.simple_tag
def zone_key() -> str:
    """The current time zone as forms and databases name it."""
    return str(timezone.get_current_timezone())


register.simple_tag(zone_words)


@register.filter
def is_ahead(moment: datetime | None) -> bool:
    """Whether the time is still to come; of none it is not."""
    return moment is not None and timezone.now() < moment


@register.filter
def lasting(seconds: int) -> str:
    """How long something took: "9 s", "10 min", "3 h"."""
    if seconds < 100:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(seconds / 3600):,} h"


@register.simple_tag
def weblink(address: str) -> SafeString:
    """A link to an address that somebody typed, or only its text where it leads anywhere but to the web."""
    if not is_web_address(address):
        return format_html("{}", address)
    return format_html('<a href="{0}" rel="noreferrer">{0}</a>', address)


@register.filter
def masked(value: str) -> str:
    """A phone number or email with all but its ends hidden."""
    from contacts.phones import mask

    return mask(value)


@register.filter
def concealed(text: str) -> str:
    """Free text with the addresses in it hidden."""
    from contacts.phones import concealed

    return concealed(text)


@register.filter
def grouped(value: str) -> str:
    """A phone number as people write it; anything else as it is."""
    from contacts.phones import grouped

    return grouped(value)


@register.filter
def share(count: int | None, total: int | None) -> str:
    """`count` of `total` in percent."""
    return percent_of(count, total)


@register.filter
def breakable(code: object) -> SafeString:
    """A provider's code that may go over to the next line behind each underscore, and is told so."""
    return mark_safe("<wbr>".join(escape(part) for part in re.split(r"(?<=_)", str(code))))  # noqa: S308 - escaped


@register.filter
def thousands(number: int | str | None) -> str:
    """12585 as 12,585; words pass."""
    if number is None:
        return "—"
    return f"{number:,}" if isinstance(number, int) else number
