"""Everybody sees the replies that have to be read: the roles once more, as `accounts/roles.py` has them now."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0020_find_dead_numbers"),
        ("contacts", "0012_replies_to_read"),
        ("accounts", "0001_initial"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
