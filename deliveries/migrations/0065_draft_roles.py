"""Who deletes drafts, and who accepts a warning before a launch: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0064_say_that_a_route_is_silent'),
        ('accounts', '0001_initial'),
        ('campaigns', '0028_accept_warnings'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
