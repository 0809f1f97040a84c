"""The lists of routes: by which accounts and senders messages leave, and in which order; what was wrong with them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from campaigns.admin import RawRecord
from deliveries.models import Account, Route, RouteAlarm, RouteMove

NOWHERE = 32_767  # the last position there can be


@admin.register(Route)
class RouteAdmin(admin.ModelAdmin):
    """Sorted as they are used: a list of each channel, country and priority, in order."""

    list_display = ("channel", "country_name", "priority_name", "position", "account", "sender_name")
    list_display_links = ("channel", "position")
    list_filter = ("channel", "country", "priority")
    list_select_related = ("sender",)
    fields = ("channel", "country", "priority", "position", "account", "sender")
    actions = ("move_up",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        """Without the credentials of the accounts, which a list has no business with."""
        return super().get_queryset(request).select_related("account").defer("account__credentials")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "account":
            kwargs["queryset"] = Account.objects.order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.action(description="Move selected routes up by one", permissions=["change"])
    def move_up(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        """Each exchanges places with the one before it in its list, by way of a place that nobody has."""
        for pk in queryset.order_by("position").values_list("pk", flat=True):
            with transaction.atomic():
                route = Route.objects.select_for_update().get(pk=pk)
                before = Route.objects.select_for_update().filter(
                    channel=route.channel, country=route.country, priority=route.priority,
                    position__lt=route.position,
                ).last()  # fmt: skip
                if before is None:
                    self.message_user(request, f"{route} is the first of its list.", messages.WARNING)
                    continue
                for one, position in (before, NOWHERE), (route, before.position), (before, route.position):
                    Route.objects.filter(pk=one.pk).update(position=position)
                for one in (route, before):
                    self.log_change(request, one, f"{route.account} was moved before {before.account}.")
                self.message_user(
                    request, f"{route.account} is now used before {before.account}.", messages.SUCCESS
                )

    @admin.display(description="country", ordering="country")
    def country_name(self, route: Route) -> str:
        return route.country or "Every other"

    @admin.display(description="priority", ordering="priority")
    def priority_name(self, route: Route) -> str:
        return route.get_priority_display() if route.priority else "Both"

    @admin.display(description="sender")
    def sender_name(self, route: Route) -> str:
        return route.sender.value if route.sender else "The content's own"


@admin.register(RouteAlarm)
class RouteAlarmAdmin(RawRecord):
    list_display = ("id", "kind", "sentence", "raised_at", "until", "closed_at")


@admin.register(RouteMove)
class RouteMoveAdmin(RawRecord):
    list_display = ("id", "at", "channel", "country", "carrier", "was", "share", "reason")
