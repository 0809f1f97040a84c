"""Who may see who was shown whole addresses: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0054_suppression_roles'),
        ('contacts', '0036_record_who_saw_what'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
