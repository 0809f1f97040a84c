"""Administrators may try dead letters again: the roles once more, as `accounts/roles.py` has them now."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0011_note_setbacks"), ("accounts", "0001_initial")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
