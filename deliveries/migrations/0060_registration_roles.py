"""Who sees the registrations of senders, and who asks for one: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0059_guard_campaigns'),
        ('accounts', '0001_initial'),
        ('campaigns', '0024_registrations'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
