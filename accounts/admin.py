"""People who log in."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin
from django.forms import ModelForm
from django.http import HttpRequest

from accounts.models import User
from accounts.roles import ROLES

# Only a superuser hands these out: an administrator who could would be one a click later.
POWERS = ("is_superuser", "user_permissions")
STAFF_HELP = (
    f"May log in. Everybody with one of the roles {', '.join(ROLES)} may: this is ticked for them when they are saved. "
    "To keep somebody out, untick Active."
)


class LogIn(AdminAuthenticationForm):
    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": (
            "No account that may log in has this username and password. Capitals count in both. "
            "If you have forgotten the password, ask an administrator for a new one."
        ),
        "inactive": "This account is switched off. Ask an administrator.",
    }


admin.site.login_form = LogIn


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Roles are given as groups."""

    list_display = ("username", "display_name", "email", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active", "is_superuser")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "groups", *POWERS)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("is_staff", "groups")}),
    )

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        helped = {"help_texts": {"is_staff": STAFF_HELP}}
        return super().get_form(request, obj, change=change, **helped | kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """The log-in page lets in staff alone, and tells the others that their password is wrong."""
        groups = form.cleaned_data.get("groups") or ()
        obj.is_staff = obj.is_staff or any(group.name in ROLES for group in groups)
        super().save_model(request, obj, form, change)

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_queryset(self, request: HttpRequest):
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None):
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return super().has_delete_permission(request, obj)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
