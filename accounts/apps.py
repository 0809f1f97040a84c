from django.apps import AppConfig
from django.contrib.admin import apps


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and roles"
    default = True


class BoundedAdminConfig(apps.AdminConfig):
    default_site = "accounts.site.Site"
    default = False
