"""Every page of the product."""

from django.contrib import admin
from django.urls import include, path

from deliveries import health, urls

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("", include(urls.root)),
    path("campaigns/", include((urls.campaign_pages, "campaigns"))),
    path("contacts/", include((urls.contact_pages, "contacts"))),
    path("", include((urls.delivery_pages, "deliveries"))),
]
