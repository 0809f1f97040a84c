"""What every product page shares: page or fragment, the shell's context, redirects that htmx follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from contacts.access_log import sees_whole
from deliveries.alerting.boxes import count_open
from deliveries.outcomes.code_usage import unknown_words
from deliveries.outcomes.figures import queue_counts
from deliveries.receiving.inbox import count_waiting


def fragment(request: HttpRequest, page: str, name: str) -> str:
    """`page`, or only its partial `name` when htmx asks. A history restore needs the page."""
    return f"{page}#{name}" if swaps(request) else page


def swaps(request: HttpRequest) -> bool:
    """Whether htmx asks for a fragment. A history restore needs the page."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.history_restore_request


def trigger(request: HttpRequest) -> str:
    """The id of the element whose event made htmx ask; '' for none."""
    return str(getattr(getattr(request, "htmx", None), "trigger", None) or "")


def who(request: HttpRequest) -> User:
    """The person who asks; only for views that require a log-in."""
    return cast(User, request.user)


def may_see(request: HttpRequest) -> bool:
    """Whether whole addresses, and the provider's own words that contain them, are shown. That they are is recorded."""
    return sees_whole(request)


def may_assign(user: User) -> bool:
    """Who may take or snooze a row, hurry or stop a step: those who act on many, and those who look after one."""
    return user.has_perm("deliveries.act_in_bulk") or user.has_perm("contacts.correct_contact")


def parts_of(address: str) -> SplitResult:
    """The parts of an address that came with a request; all of them empty where it is none, such as `http://[`."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def next_url(request: HttpRequest, fallback: str) -> str:
    """Where the form, or the link to it, said to go afterwards, when that is a page of ours; else `fallback`."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if wanted.startswith("/") and ours else fallback


# ---- The shell -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """One entry of the rail. `url` is a name; `under` the path prefixes at which it is the current one."""

    label: str
    icon: str
    url: str
    permission: str
    key: str = ""
    under: tuple[str, ...] = ()
    count: Callable[[], int] | None = None


@dataclass(frozen=True)
class Section:
    label: str
    links: list[Link] = field(default_factory=list)


RAIL = [
    Section(
        "Work",
        [
            Link("Overview", "overview", "overview", "campaigns.view_report"),
            Link("Deliverability", "deliverability", "deliverability", "campaigns.view_report"),
            Link("Alerts", "warning", "alerts:list", "deliveries.view_alert", "", ("/alerts/",), count_open),
            Link("Campaigns", "campaigns", "campaigns:list", "campaigns.view_report", "c", ("/campaigns/",)),
            Link(
                "Action queues",
                "queues",
                "deliveries:queues",
                "campaigns.view_report",
                "q",
                ("/queues/", "/batches/"),
                lambda: sum(queue_counts().values()),
            ),
            Link(
                "Replies",
                "reply",
                "inbox:list",
                "contacts.view_reply",
                "",
                ("/inbox/",),
                count_waiting,
            ),
            Link("Contacts", "contacts", "contacts:search", "contacts.view_contact", "p", ("/contacts/",)),
        ],
    ),
    Section(
        "Rules",
        [
            Link(
                "Suppression list",
                "suppression",
                "suppressions:list",
                "contacts.view_suppression",
                "s",
                ("/suppressions/", "/admin/contacts/suppression/"),
            ),
            Link(
                "Consent",
                "consent",
                "admin:contacts_consent_changelist",
                "contacts.view_consent",
                "",
                ("/admin/contacts/consent/",),
            ),
            Link(
                "Mappings",
                "mappings",
                "mappings:overview",
                "deliveries.view_codemapping",
                "",
                ("/mappings/",),
                unknown_words,
            ),
            Link(
                "Receivers", "receivers", "receivers:page", "deliveries.view_receiptgap", "", ("/receivers/",)
            ),
            Link("Playbooks", "switch", "playbooks:list", "campaigns.view_playbook", "", ("/playbooks/",)),
            Link("Senders", "sms", "senders:list", "campaigns.view_sender", "", ("/senders/",)),
            Link("Routes", "rules", "routes:page", "deliveries.view_route", "", ("/routes/",)),
        ],
    ),
    Section(
        "Settings",
        [
            Link("Admin", "admin", "admin:index", "", "", ("/admin/",)),
            Link("Who saw addresses", "review", "contacts:access", "contacts.view_accessrecord"),
            Link("What is kept", "watch", "contacts:kept", "deliveries.view_retentionrun"),
        ],
    ),
]


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of the shell around every page: the rail with what this person may open, and who they are.

    Four queries, for the counts of alerts, queues and replies and for the role, beside those for the permissions, and
    one more for the count of unknown codes where that may be seen. Empty for who is not logged in.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    if swaps(request):
        return {}  # a fragment has no shell
    sections = [
        {
            "label": section.label,
            "items": [_item(link, request.path) for link in section.links if _may(user, link)],
        }
        for section in RAIL
    ]
    return {"nav": _one_current([one for one in sections if one["items"]]), "person": _person(user)}


def _may(user: Any, link: Link) -> bool:
    if link.url.startswith("admin:") and not user.is_staff:
        return False
    return not link.permission or user.has_perm(link.permission)


def _item(link: Link, path: str) -> dict[str, Any]:
    url = reverse(link.url)
    return {
        "label": link.label,
        "icon": link.icon,
        "url": url,
        "key": link.key,
        "count": link.count() if link.count else 0,
        "current": max((len(prefix) for prefix in (url, *link.under) if _within(path, prefix)), default=0),
    }


def _within(path: str, prefix: str) -> bool:
    return path == prefix if prefix == "/" else path.startswith(prefix)


def _one_current(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several entries that hold the page, the nearest is the current one."""
    items = [item for section in sections for item in section["items"]]
    nearest = max((item["current"] for item in items), default=0)
    for item in items:
        item["current"] = bool(nearest) and item["current"] == nearest
    return sections


def _person(user: User) -> dict[str, str]:
    roles = ", ".join(user.groups.order_by("name").values_list("name", flat=True))
    role = roles or ("Superuser" if user.is_superuser else "No role")
    return {"initials": user.initials, "display_name": user.display_name, "role": role}


ZONE_FIELD = "_zone"  # of a form with times: where they are meant


class ReaderZoneMiddleware:
    """Times are shown, and read in forms, in the zone that the reader's browser names; else in the installation's.

    A form with times names the zone it showed them in, and is read in that one: the browser's may be another by then.
    For a file that is written while it is sent, until the next request of its thread.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        timezone.deactivate()
        _activate(request.COOKIES.get("tz", ""))
        response = self.get_response(request)
        if not response.streaming:
            timezone.deactivate()
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """After the check against forged forms, so that nothing is read that is refused unread; nor where a view needs
        no such check, since a POST there may hold anything."""
        if request.method == "POST" and not getattr(view[0], "csrf_exempt", False):
            _activate(request.POST.get(ZONE_FIELD, ""))


def _activate(name: str) -> None:
    """Show and read times in this zone; nothing happens for a name that is none."""
    if name in _zones():
        timezone.activate(ZoneInfo(name))


@lru_cache(maxsize=1)
def _zones() -> set[str]:
    return available_timezones()


class ClientRedirectMiddleware:
    """A redirect to the log-in page that answers htmx becomes one the whole page follows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        htmx = getattr(request, "htmx", None)
        if htmx and response.status_code in (301, 302):
            response["HX-Redirect"] = response["Location"]
            del response["Location"]
            response.status_code = 204
        return response
