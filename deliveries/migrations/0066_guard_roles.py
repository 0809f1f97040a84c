"""Who may let a campaign go on whatever fails: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0065_draft_roles'),
        ('campaigns', '0029_say_who_unguards'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
