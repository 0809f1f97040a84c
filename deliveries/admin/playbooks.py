"""Playbooks in the admin: here, as a page of theirs says which campaigns and messages a change of it is about."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from accounts.models import User
from campaigns.models import Playbook
from campaigns.models.playbooks import RULES
from campaigns.playbook_changes import save_playbook
from campaigns.playbook_form import PlaybookForm
from deliveries.models import CarrierTally
from deliveries.outcomes.campaign_list import RUNNING
from deliveries.statuses import BUCKETS, Disposition

NAMED = 20  # campaigns; of more, the newest are named


@admin.register(Playbook)
class PlaybookAdmin(admin.ModelAdmin):
    form = PlaybookForm
    list_display = ("name", "version", "retries", "retry_window_hours", "switch_after_hours", "strikes")
    search_fields = ("name",)
    readonly_fields = ("version", "followed_by")
    fieldsets = ((None, {"fields": ("name", "followed_by", *RULES, "version")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Playbook]:
        """Those of one campaign alone are not listed; their page is reached from the campaign."""
        match = request.resolver_match
        listed = match and match.url_name == "campaigns_playbook_changelist"
        found = Playbook.objects.order_by(*self.get_ordering(request))
        return found.shared() if listed else found

    @admin.display(description="a change is about")
    def followed_by(self, playbook: Playbook) -> str:
        """The running campaigns that follow it, each with how many of its messages are open."""
        if not playbook.pk:
            return "No campaign yet."
        running = list(playbook.campaigns.filter(state__in=RUNNING).order_by("-id"))
        if not running:
            return "No running campaign follows it: a change is about those that are launched later."
        tallied = CarrierTally.objects.filter(
            campaign_id__in=[one.pk for one in running], disposition=Disposition.PENDING
        ).order_by()
        still_open = dict(tallied.values_list("campaign_id").annotate(n=Sum("n")))
        total = sum(still_open.values())
        campaigns = format_html_join(
            ", ",
            '<a href="{}">{}</a> (<a href="{}">{} open</a>)',
            (
                (
                    url,
                    one.name,
                    f"{url}?status={BUCKETS[Disposition.PENDING]}",
                    f"{still_open.get(one.pk, 0):,}",
                )
                for one in running[:NAMED]
                for url in [one.get_absolute_url()]
            ),
        )
        more = f" and {len(running) - NAMED:,} more" if len(running) > NAMED else ""
        return format_html(
            "{} running campaign{} with {} open message{}, from the moment it is saved: {}{}.",
            f"{len(running):,}", "" if len(running) == 1 else "s", f"{total:,}", "" if total == 1 else "s",
            campaigns, more,
        )  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Playbook, form: ModelForm, change: bool) -> None:
        """Decisions name the version they followed, so every change makes a new one, and is kept."""
        assert isinstance(request.user, User)
        save_playbook(obj, by=request.user, now=timezone.now())
