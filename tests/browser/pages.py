"""Every kind of page there is, by name, with who opens it and where."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse

from campaigns.models import Campaign
from contacts.models import Contact, ListMembership, Suppression
from deliveries.models import Account, Batch, Message
from deliveries.reporting.figures import queue_counts
from tests.browser.world import DRAFT, LIVE, REPORT


def busiest_contact() -> Contact:
    """Somebody with a suppression and several messages: every part of the trail shows."""
    blocked = Suppression.objects.filter(origin="rule").exclude(contact=None).earliest("pk")
    assert blocked.contact
    return blocked.contact


def newest(model: type) -> int:
    return model.objects.latest("pk").pk  # type: ignore[attr-defined]


def failed_message() -> int:
    return Message.objects.filter(disposition="BOUNCED_HARD").earliest("pk").pk


# name: (user name, URL once the world is there)
PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "overview": ("marketer", lambda: "/"),
    "overview all": ("marketer", lambda: "/?days=90&show=all"),
    "campaigns": ("marketer", lambda: "/campaigns/"),
    "report": ("marketer", lambda: f"/campaigns/{REPORT}/"),
    "report live": ("marketer", lambda: f"/campaigns/{LIVE}/"),
    "report filtered": ("marketer", lambda: f"/campaigns/{REPORT}/?status=permanent&channel=sms"),
    "report empty": ("marketer", lambda: f"/campaigns/{REPORT}/?carrier=Nobody"),
    "draft": ("marketer", lambda: f"/campaigns/{DRAFT}/"),
    "queues": ("marketer", lambda: "/queues/"),
    "queue": ("marketer", lambda: "/queues/correct/"),
    "queue empty": (
        "marketer",
        lambda: f"/queues/{next(q for q in ('review', 'switch', 'suppress') if not queue_counts().get(q))}/",
    ),
    "message": ("support", lambda: f"/deliveries/{failed_message()}/"),
    "batches": ("marketer", lambda: "/batches/"),
    "batch": ("marketer", lambda: f"/batches/{newest(Batch)}/"),
    "search": ("support", lambda: "/contacts/"),
    "search found": ("support", lambda: "/contacts/?q=555"),
    "search nobody": ("support", lambda: "/contacts/?q=nobody-at-all"),
    "trail": ("support", lambda: f"/contacts/{busiest_contact().pk}/"),
    "correct": ("support", lambda: f"/contacts/{busiest_contact().pk}/correct/"),
    "suppress": ("support", lambda: f"/contacts/{busiest_contact().pk}/suppress/"),
    "not allowed": ("support", lambda: "/batches/"),
    "not found": ("support", lambda: "/contacts/999999999/"),
    "login": ("", lambda: "/admin/login/"),
    "admin": ("admin", lambda: "/admin/"),
    "suppressions": ("admin", lambda: reverse("admin:contacts_suppression_changelist")),
    "suppression": (
        "admin",
        lambda: reverse("admin:contacts_suppression_change", args=[newest(Suppression)]),
    ),
    "suppression form": ("admin", lambda: reverse("admin:contacts_suppression_add")),
    "campaign form": ("admin", lambda: reverse("admin:campaigns_campaign_change", args=[newest(Campaign)])),
    "account form": ("admin", lambda: reverse("admin:deliveries_account_change", args=[newest(Account)])),
    "history": ("admin", lambda: reverse("admin:campaigns_campaign_history", args=[newest(Campaign)])),
    "delete": (
        "admin",
        lambda: reverse("admin:contacts_listmembership_delete", args=[newest(ListMembership)]),
    ),
    "password": ("marketer", lambda: reverse("admin:password_change")),
}
