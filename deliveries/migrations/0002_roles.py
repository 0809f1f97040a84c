"""The three roles, as groups. They need the permissions of every app, so they come after the last of them."""

from django.db import migrations

from accounts.roles import remove_roles, sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


def drop_roles(apps, schema_editor):
    remove_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0001_initial"),
        ("campaigns", "0001_initial"),
        ("contacts", "0001_initial"),
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, drop_roles)]
