"""Who may release which suppression: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0039_route_move_roles"),
        ("accounts", "0001_initial"),
        ("contacts", "0019_order_of_strength"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
