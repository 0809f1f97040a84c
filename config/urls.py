"""Every page of the product."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path

from accounts.resuming import resume
from campaigns import uploads
from dashboard import urls
from deliveries import links
from deliveries.running import probes
from public import urls as public_urls


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask here when what they show names no icon itself, such as a plain text."""
    return redirect(static("css/icon.svg"))


handler500 = "dashboard.shell.busy.failed"

urlpatterns = [
    path("healthz", probes.healthz),
    path("readyz", probes.readyz),
    path("favicon.ico", favicon),
    path("resume/", resume, name="resume"),
    path("admin/", admin.site.urls),
    path(f"{links.PATH}/", include((public_urls.pages, "public"))),
    path(f"{uploads.PATH}/", include((public_urls.media_files, "media"))),
    path("", include(urls.root)),
    path("campaigns/", include((urls.campaign_pages, "campaigns"))),
    path("compare/", include((urls.compare_pages, "compare"))),
    path("contacts/", include((urls.contact_pages, "contacts"))),
    path("inbox/", include((urls.inbox_pages, "inbox"))),
    path("alerts/", include((urls.alert_pages, "alerts"))),
    path("views/", include((urls.view_pages, "views"))),
    path("receivers/", include((urls.receiver_pages, "receivers"))),
    path("suppressions/", include((urls.suppression_pages, "suppressions"))),
    path("routes/", include((urls.route_pages, "routes"))),
    path("senders/", include((urls.sender_pages, "senders"))),
    path("playbooks/", include((urls.playbook_pages, "playbooks"))),
    path("mappings/", include((urls.mapping_pages, "mappings"))),
    path("", include((urls.delivery_pages, "deliveries"))),
]
