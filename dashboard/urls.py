"""The pages, by namespace. `config/urls.py` says where each stands.

They are all here, also those about campaigns and contacts, because they show what happened to messages, and those
two apps know nothing of deliveries.
"""

from typing import Any

from django.urls import path, register_converter

from dashboard.alerts import notices as alert_notices
from dashboard.alerts import thresholds as alert_thresholds
from dashboard.alerts import views as alerts
from dashboard.bulk import views as batches
from dashboard.campaigns import (
    causes,
    compare,
    composer,
    draft_acts,
    figures_strip,
    follow_ups,
    listing,
    running,
    skipped,
    skipped_again,
    wordings,
)
from dashboard.campaigns import trying as campaign_tests
from dashboard.campaigns import views as campaigns
from dashboard.contacts import (
    access,
    imports,
    kept,
    lists,
    lookups,
    merging,
    new,
    people,
    permitted_hours,
    privacy,
    segments,
    sources,
)
from dashboard.contacts import views as contacts
from dashboard.inbox import keywords
from dashboard.inbox import views as inbox
from dashboard.mappings import codes, draft, routes, trying, versions
from dashboard.mappings import overview as mapping_overview
from dashboard.message import views as message
from dashboard.overview import deliverability
from dashboard.overview import messages as overview_messages
from dashboard.overview import views as overview
from dashboard.playbooks import views as playbooks
from dashboard.queues import views as queues
from dashboard.receivers import views as receivers
from dashboard.routes import views as sending_routes
from dashboard.saved_views import views as saved_views
from dashboard.senders import brands, receiving
from dashboard.senders import views as senders
from dashboard.suppressions import acts as suppression_acts
from dashboard.suppressions import limits as suppression_limits
from dashboard.suppressions import mistakes as suppression_mistakes
from dashboard.suppressions import trend as suppression_trend
from dashboard.suppressions import verifying as suppression_verifying
from dashboard.suppressions import views as suppressions
from deliveries.outcomes.keyset import read_id


class IdConverter:
    """The number of a row. One that none can have is no page of ours: SQLite fails on it where it names a relation."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = read_id(value)
        if number is None:
            raise ValueError(value)
        return number

    def to_url(self, value: Any) -> str:
        return str(value)


register_converter(IdConverter, "id")

root = [
    path("", overview.page, name="overview"),
    path("messages/", overview_messages.page, name="messages"),
    path("deliverability/", deliverability.page, name="deliverability"),
]

campaign_pages = [
    path("", listing.campaigns, name="list"),
    path("new/", composer.new, name="new"),
    path("<slug:slug>/", campaigns.report, name="report"),
    path("<slug:slug>/edit/", composer.edit, name="edit"),
    path("<slug:slug>/rename/", draft_acts.rename, name="rename"),
    path("<slug:slug>/delete/", draft_acts.delete, name="delete"),
    path("<slug:slug>/override/<slug:key>/", draft_acts.override, name="override"),
    *(
        path(f"<slug:slug>/edit/{section}/", composer.save, {"section": section}, name=f"edit_{section}")
        for section in composer.SECTIONS
    ),
    path("<slug:slug>/export/", campaigns.export, name="export"),
    path("<slug:slug>/causes/", causes.causes, name="causes"),
    path("<slug:slug>/causes/count/", causes.count, name="count_causes"),
    path("<slug:slug>/compare/", compare.of_one, name="compare"),
    path("<slug:slug>/html/", wordings.html, name="html"),
    path("<slug:slug>/wordings/<slug:channel>/", wordings.wordings, name="wordings"),
    path("<slug:slug>/skipped/", skipped.people, name="skipped"),
    path("<slug:slug>/skipped/again/", skipped_again.page, name="skipped_again"),
    path("<slug:slug>/counts/", figures_strip.counts, name="counts"),
    path("<slug:slug>/follow-up/", follow_ups.add, name="follow_up"),
    path("<slug:slug>/test/", campaign_tests.send, name="test"),
    path("<slug:slug>/test/keep/", campaign_tests.keep, name="test_keep"),
    path("<slug:slug>/test/prove/", campaign_tests.prove, name="test_prove"),
    path("<slug:slug>/test/forget/", campaign_tests.forget, name="test_forget"),
    path("<slug:slug>/launch/", campaigns.act, {"action": "launch"}, name="launch"),
    path("<slug:slug>/pause/", campaigns.act, {"action": "pause"}, name="pause"),
    path("<slug:slug>/resume/", campaigns.act, {"action": "resume"}, name="resume"),
    path("<slug:slug>/resume-without/", running.resume_without, name="resume_without"),
    path("<slug:slug>/breaker/", running.switch_breaker, name="breaker"),
    path("<slug:slug>/send-rest/", running.send_rest, name="send_rest"),
    path("<slug:slug>/cancel/", campaigns.act, {"action": "cancel"}, name="cancel"),
]

contact_pages = [
    path("", people.index, name="search"),
    path("new/", new.new, name="new"),
    path("duplicates/", merging.duplicates, name="duplicates"),
    path("merge/", merging.preview, name="merge"),
    path("<id:pk>/duplicates/", merging.of_one, name="duplicates_of"),
    path("<id:pk>/privacy/", privacy.page, name="privacy"),
    path("<id:pk>/privacy/export/", privacy.export, name="export_data"),
    path("lists/", lists.index, name="lists"),
    path("lists/new/", lists.new, name="new_list"),
    path("lists/<id:pk>/", lists.show, name="list"),
    path("lists/<id:pk>/rename/", lists.rename, name="rename_list"),
    path("lists/<id:pk>/confirmation/", lists.confirmation, name="list_confirmation"),
    path("lists/<id:pk>/ask/", lists.ask, name="ask_members"),
    path("lists/<id:pk>/add/", lists.add, name="add_member"),
    path("lists/<id:pk>/remove/<id:contact>/", lists.remove, name="remove_member"),
    path("lists/<id:pk>/delete/", lists.delete, name="delete_list"),
    path("segments/", segments.index, name="segments"),
    path("segments/new/", segments.new, name="new_segment"),
    path("segments/<id:pk>/", segments.edit, name="segment"),
    path("segments/<id:pk>/use/", segments.use, name="use_segment"),
    path("segments/<id:pk>/delete/", segments.delete, name="delete_segment"),
    path("sources/", sources.by_source, name="sources"),
    path("sources/imports/", sources.by_import, name="import_outcomes"),
    path("lookups/", lookups.index, name="lookups"),
    path("access/", access.index, name="access"),
    path("kept/", kept.page, name="kept"),
    path("lookups/begin/", lookups.begin, name="begin_lookup"),
    path("lookups/<id:pk>/stop/", lookups.end, name="end_lookup"),
    path("permitted-hours/", permitted_hours.page, name="permitted_hours"),
    path("import/", imports.index, name="imports"),
    path("import/<id:pk>/", imports.result, name="import"),
    path("import/<id:pk>/columns/", imports.columns, name="import_columns"),
    path("import/<id:pk>/preview/", imports.preview, name="import_preview"),
    path("import/<id:pk>/start/", imports.start, name="import_start"),
    path("import/<id:pk>/undo/", imports.undo, name="import_undo"),
    path("import/<id:pk>/discard/", imports.discard, name="import_discard"),
    path("import/<id:pk>/refused/", imports.refused, name="import_refused"),
    path("<id:pk>/", contacts.page, name="trail"),
    path("<id:pk>/export/", contacts.export, name="export"),
    path("<id:pk>/correct/", contacts.correct, name="correct"),
    path("<id:pk>/suppress/", contacts.suppress, name="suppress"),
    path("<id:pk>/release/<id:suppression>/", contacts.release, name="release"),
    path("<id:pk>/note/", contacts.note, name="note"),
    path("<id:pk>/steps/<id:recipient>/run/", contacts.step, {"act": "run"}, name="run_step"),
    path("<id:pk>/steps/<id:recipient>/cancel/", contacts.step, {"act": "cancel"}, name="cancel_step"),
]

inbox_pages = [
    path("", inbox.show, {"box": "list"}, name="list"),
    path("all/", inbox.show_all, name="all"),
    path("to-do/", inbox.show_all, {"box": "work"}, name="work"),
    path("keywords/", keywords.show, name="keywords"),
    path("keywords/change/", keywords.change, name="change-keyword"),
    path("opted-out/", inbox.show, {"box": "acted"}, name="acted"),
    path("read/", inbox.show, {"box": "read"}, name="read"),
    path("<id:pk>/", inbox.judge, name="judge"),
    path("<id:pk>/answer/", inbox.answer, name="answer"),
    path("<id:pk>/to-do/", inbox.work_on, name="work-on"),
    path("<id:pk>/answer/<id:written>/withdraw/", inbox.withdraw, name="withdraw"),
    path("<id:pk>/contacts/", inbox.owners, name="owners"),
]

alert_pages = [
    path("", alerts.page, {"box": "list"}, name="list"),
    path("snoozed/", alerts.page, {"box": "snoozed"}, name="snoozed"),
    path("closed/", alerts.page, {"box": "closed"}, name="closed"),
    path("thresholds/", alert_thresholds.page, name="thresholds"),
    path("notices/", alert_notices.page, name="notices"),
    path("channels/new/", alert_notices.channel, name="new_channel"),
    path("channels/<id:pk>/", alert_notices.channel, name="channel"),
    path("channels/<id:pk>/test/", alert_notices.test, name="test_channel"),
    path("channels/<id:pk>/delete/", alert_notices.delete, name="delete_channel"),
    path("<id:pk>/", alerts.show, name="alert"),
    path("<id:pk>/act/", alerts.act, name="act"),
]

view_pages = [
    path("", saved_views.index, name="list"),
    path("new/", saved_views.new, name="new"),
    path("<id:pk>/", saved_views.edit, name="edit"),
    path("<id:pk>/delete/", saved_views.delete, name="delete"),
]

receiver_pages = [
    path("", receivers.page, name="page"),
    path("gaps/<id:pk>/release/", receivers.release, name="release"),
    path("letters/", receivers.letters, name="letters"),
    path("letters/retry/", receivers.retry, name="retry"),
]

delivery_pages = [
    path("queues/", queues.queues, name="queues"),
    path("queues/<slug:queue>/", queues.queue, name="queue"),
    path("queues/<slug:queue>/export/", queues.export, name="export"),
    path("deliveries/<id:pk>/", message.message, name="message"),
    path("batches/", batches.index, name="batches"),
    path("batches/preview/", batches.preview, name="preview"),
    path("batches/<id:pk>/", batches.batch, name="batch"),
    path("batches/<id:pk>/undo/", batches.undo, name="undo"),
]

suppression_pages = [
    path("", suppressions.show, name="list"),
    path("export/", suppressions.export, name="export"),
    path("lookup/", suppressions.search_address, name="look_up"),
    path("add/", suppression_acts.add, name="add"),
    path("upload/", suppression_acts.upload, name="upload"),
    path("trend/", suppression_trend.page, name="trend"),
    path("mistakes/", suppression_mistakes.show, name="mistakes"),
    path("mistakes/release/", suppression_mistakes.release, name="release_mistakes"),
    path("automatic/", suppression_limits.page, name="automatic"),
    path("automatic/ask/", suppression_verifying.page, name="ask_people"),
    path("automatic/code/", suppression_limits.change_code, name="change_code"),
    path("automatic/<slug:kind>/", suppression_limits.change, name="change_limit"),
    path("<id:pk>/", suppressions.detail, name="detail"),
    path("<id:pk>/release/", suppression_acts.lift, name="release"),
]

compare_pages = [path("", compare.of_all, name="campaigns")]

route_pages = [
    path("", sending_routes.page, name="page"),
    path("arrivals/", sending_routes.arrivals, name="arrivals"),
]

sender_pages = [
    path("", senders.index, name="list"),
    path("new/", senders.new, name="new"),
    path("brands/", brands.index, name="brands"),
    path("brands/new/", brands.edit, {"pk": None}, name="new_brand"),
    path("brands/<id:pk>/", brands.edit, name="brand"),
    path("brands/<id:pk>/default/", brands.make_default, name="default_brand"),
    path("receiving/", receiving.index, name="receiving"),
    path("receiving/<id:pk>/test/", receiving.test, name="test_receiving"),
    path("<id:pk>/", senders.show, name="sender"),
    path("<id:pk>/settings/", senders.edit, name="settings"),
    path("<id:pk>/state/", senders.state, name="state"),
    path("<id:pk>/registration/", senders.registration, name="registration"),
    path("<id:pk>/ask/", senders.ask, name="ask"),
    path("<id:pk>/dns/", senders.look_at_dns, name="dns"),
]

playbook_pages = [
    path("", playbooks.index, name="list"),
    path("new/", playbooks.new, name="new"),
    path("<id:pk>/", playbooks.show, name="playbook"),
]

mapping_pages = [
    path("", mapping_overview.overview, name="overview"),
    path("alarms/close/", mapping_overview.close_alarms, name="close_alarms"),
    path("codes/", codes.codes, name="codes"),
    path("codes/edit/", codes.edit, name="edit"),
    path("draft/", draft.draft, name="draft"),
    path("draft/remove/", draft.remove, name="remove"),
    path("draft/discard/", draft.discard, name="discard"),
    path("draft/count/", draft.count, name="count"),
    path("draft/publish/", draft.publish, name="publish"),
    path("versions/<id:number>/", versions.version, name="version"),
    path("versions/<id:number>/undo/", versions.undo, name="undo"),
    path("try/", trying.attempt, name="try"),
    path("routes/", routes.routes, name="routes"),
    path("routes/<id:pk>/remove/", routes.remove_route, name="remove_route"),
    path("backscatter/", mapping_overview.backscatter, name="backscatter"),
]
