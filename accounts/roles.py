"""What each role may do. The roles are Django groups; `ROLES` is the one place that says what they hold.

A permission is named `app.codename`: what Django makes for every model (`add_`, `change_`, `delete_`, `view_`), or one
that a model's `Meta.permissions` declares. Models of the apps above cannot be imported here, so `check_names`, a system
check, proves that each name is a permission of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps as installed_apps
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.management import create_permissions
from django.core import checks

MARKETER = "Marketer"
ADMINISTRATOR = "Administrator"
SUPPORT = "Support"

APPS = ("auth", "accounts", "contacts", "campaigns", "deliveries")


def _may(verbs: str, app: str, models: str) -> set[str]:
    """Permission names for every verb on every model, both given as words."""
    return {f"{app}.{verb}_{model}" for verb in verbs.split() for model in models.split()}


# What everybody who works with deliveries looks at. Provider accounts and raw receipts are left out: the first
# hold credentials, the second the unmasked words of the provider.
_EVERYDAY_VIEW = (
    _may(
        "view",
        "contacts",
        "contact contactlist listcount listmembership address addresshealth consent suppression suppressionlapse note"
        " reply keywordchange contactimport",
    )
    | _may(
        "view",
        "campaigns",
        "brand breakerswitch campaign checkoverride content price recipient segment sender playbook registration"
        " registrationchange",
    )
    | _may("view", "deliveries", "message statusevent engagement decision queueentry batch batchitem")
    | _may("view", "deliveries", "failurelimit suppressionevidence")
    | _may("view add change delete", "deliveries", "savedview")  # their own: whose one is decides
    | _may("view change", "deliveries", "alert")  # to take, snooze and note one; the rest happens by itself
    | {"campaigns.view_report"}
)
_VIEW_MACHINERY = (
    _may("view", "accounts", "user")
    | _may("view", "auth", "group")
    | _may("view", "contacts", "privacyrecord accessrecord")
    | _may("view", "deliveries", "account receipt pendingreceipt outbox statuschange heartbeat quarantined")
    | _may("view", "deliveries", "retentionrun")
)
# What providers' words mean. Editing a draft changes nothing; publishing it changes what every report says.
_MAPPINGS = (
    _may(
        "view",
        "deliveries",
        "codemapping mappingversion seencode codeday codealarm routeevidence backscatter",
    )
    | _may("change", "deliveries", "codemapping mappingversion codealarm")
    | _may("add delete", "deliveries", "routeevidence")
)

ROLES: dict[str, set[str]] = {
    MARKETER: _EVERYDAY_VIEW
    | _may("add change delete", "campaigns", "campaign segment")  # of campaigns, drafts only are ever deleted
    | _may("add change", "campaigns", "content")
    | _may("add change delete", "contacts", "contactlist")
    | _may("add delete", "contacts", "listmembership")
    | {
        "contacts.add_contact",
        "campaigns.launch_campaign",
        "campaigns.export_report",
        "campaigns.request_registration",
        "contacts.correct_contact",
        "contacts.import_contacts",
        "contacts.suppress_contact",
        "contacts.answer_reply",
        # Bounces and what staff decided, with a reason: one by one, or up to 100 of the page of mistakes together.
        "contacts.release_suppression",
        "deliveries.share_savedview",
        "deliveries.act_in_bulk",  # suppressing in bulk needs `contacts.suppress_contact` as well
    },
    ADMINISTRATOR: _EVERYDAY_VIEW
    | _VIEW_MACHINERY
    | _MAPPINGS
    | _may("add change", "accounts", "user")
    | _may("view add change", "contacts", "answerwording")
    | _may("view", "contacts", "automaticanswer")
    | _may("add", "contacts", "keywordchange")
    | _may("add change", "contacts", "contact contactlist listmembership address suppression")
    | _may("delete", "contacts", "contactlist listmembership")
    | _may("add", "contacts", "consent note")
    | _may("delete", "campaigns", "campaign")
    | _may("add", "campaigns", "checkoverride")
    | _may("add change", "campaigns", "brand campaign content price sender playbook")
    | _may("delete", "campaigns", "price")
    | _may("add change delete", "campaigns", "segment")
    | _may("add change", "deliveries", "account")
    | _may("view add change delete", "deliveries", "route")
    | _may("view", "deliveries", "routealarm routemove")
    | _may("view add change", "deliveries", "lookuprun")
    | _may("add", "deliveries", "failurelimit")
    | _may("change", "deliveries", "alertsetting")
    | _may("view change", "deliveries", "receiptgap")
    | _may("add change delete", "deliveries", "alertchannel")
    # To try dead letters, and work that was set aside, again; the rows themselves stay as they are.
    | _may("change", "deliveries", "pendingreceipt quarantined")
    | {
        "contacts.view_full_address",
        "contacts.correct_contact",
        "contacts.import_contacts",
        "contacts.suppress_contact",
        "contacts.answer_reply",
        "contacts.merge_contact",
        "contacts.export_contact",
        "contacts.erase_contact",
        "contacts.release_suppression",
        "contacts.release_legal_suppression",
        "campaigns.launch_campaign",
        "campaigns.guard_campaign",
        "campaigns.export_report",
        "campaigns.request_registration",
        "deliveries.share_savedview",
        "deliveries.act_in_bulk",
    },
    # One person at a time: reports and queues are theirs to read, bulk actions and exports are not theirs at all.
    SUPPORT: _EVERYDAY_VIEW
    | _may("add", "contacts", "note")
    | _may("view", "deliveries", "route routealarm routemove")
    | {
        "contacts.view_full_address",
        "contacts.correct_contact",
        "contacts.suppress_contact",
        "contacts.answer_reply",
        "contacts.merge_contact",
        "contacts.release_suppression",
    },
}


def roles_with(permission: str) -> list[str]:
    """The roles that hold it, those for everyday work first."""
    return [role for role, held in ROLES.items() if permission in held]


def check_names(app_configs: object = None, **_: object) -> list[checks.CheckMessage]:
    """A system check: an error for every name in `ROLES` that is no permission of an installed model."""
    known = set(_declared())
    return [_no_such_permission(role, name) for role in ROLES for name in sorted(ROLES[role] - known)]


def _declared() -> Iterator[str]:
    for model in installed_apps.get_models():
        options = model._meta
        for verb in options.default_permissions:
            yield f"{options.app_label}.{verb}_{options.model_name}"
        for codename, _ in options.permissions:
            yield f"{options.app_label}.{codename}"


def _no_such_permission(role: str, name: str) -> checks.CheckMessage:
    return checks.Error(f"The role {role} holds {name}, which no model declares.", id="accounts.E001")


def sync_roles(apps: Any = installed_apps, using: str = "default") -> None:
    """Create the groups, and give each exactly the permissions of `ROLES`.

    `apps` is the registry: the historical one inside a migration. Permissions are normally made after the last
    migration, so they are made here first. Names that do not exist yet are left out.
    """
    for label in APPS:
        _make_permissions(apps, label, using)
    permissions = {
        f"{app}.{codename}": pk
        for pk, app, codename in apps.get_model("auth", "Permission")
        .objects.using(using)
        .values_list("pk", "content_type__app_label", "codename")
    }
    groups = apps.get_model("auth", "Group").objects.using(using)
    for name, wanted in ROLES.items():
        group, _ = groups.get_or_create(name=name)
        group.permissions.set([permissions[each] for each in wanted if each in permissions])


def remove_roles(apps: Any = installed_apps, using: str = "default") -> None:
    apps.get_model("auth", "Group").objects.using(using).filter(name__in=ROLES).delete()


def _make_permissions(apps: Any, label: str, using: str) -> None:
    config = apps.get_app_config(label)
    if not getattr(
        config, "models_module", None
    ):  # historical apps have none, and are passed over without one
        config.models_module = True
    create_permissions(config, apps=apps, using=using, verbosity=0)


def requires(*permissions: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For views: whoever is logged out goes to the log-in page, whoever lacks a permission gets a 403."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        return login_required(permission_required(permissions, raise_exception=True)(view))

    return decorate
