from django.apps import AppConfig
from django.contrib.admin import apps
from django.core.checks import register


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and roles"
    default = True

    def ready(self) -> None:
        from accounts.roles import check_names

        register(check_names)


class BoundedAdminConfig(apps.AdminConfig):
    default_site = "accounts.site.Site"
    default = False
