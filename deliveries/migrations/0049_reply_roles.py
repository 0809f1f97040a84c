"""Who may read and answer replies: the roles once more."""

from django.db import migrations

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0048_answer_roles'),
        ('contacts', '0026_name_replies'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
