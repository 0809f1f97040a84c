"""Who may correct what providers' words mean: the roles again, now that those tables have permissions."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0004_mappings"), ("accounts", "0001_initial")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
