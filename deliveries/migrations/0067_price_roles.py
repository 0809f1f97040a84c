"""Who sees prices, and who changes them: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0066_guard_roles'),
        ('accounts', '0001_initial'),
        ('campaigns', '0030_price_messages'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
