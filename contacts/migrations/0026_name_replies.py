"""Replies by their plain name: the table is to hold all of them, not only those that somebody has to read."""

from django.db import migrations
from django.db.models import Value
from django.db.models.functions import Replace


def rename_permissions(old, new):
    """They keep their ids, and with them whoever holds them."""

    def rename(apps, schema_editor):
        permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
        named = permissions.filter(content_type__app_label="contacts", codename__endswith=f"_{old}")
        named.update(codename=Replace("codename", Value(f"_{old}"), Value(f"_{new}")))

    return rename


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0025_answer_stop_and_help'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.RenameModel('ReplyToRead', 'Reply'),
        migrations.AlterModelOptions('reply', {'verbose_name': 'reply', 'verbose_name_plural': 'replies'}),
        migrations.RunPython(
            rename_permissions("replytoread", "reply"), rename_permissions("reply", "replytoread")
        ),
    ]
