"""Everybody who sees suppressions sees when one did not hold: the roles once more, as `accounts/roles.py` has them."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0024_look_at_the_queues_again"),
        ("contacts", "0016_keep_when_a_block_did_not_hold"),
        ("accounts", "0001_initial"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
