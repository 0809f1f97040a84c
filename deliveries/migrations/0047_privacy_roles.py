"""Who may take out and erase the data of a person: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0046_lookup_roles"),
        ("contacts", "0024_erasure"),
        ("accounts", "0001_initial"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
