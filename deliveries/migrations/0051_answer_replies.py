"""Which campaign the replies that are there answer, and who may answer them: the roles once more."""

from django.db import migrations
from django.db.models import OuterRef, Subquery

from accounts.roles import sync_roles


def fill(apps, schema_editor):
    using = schema_editor.connection.alias
    messages = apps.get_model("deliveries", "Message").objects.using(using)
    answered = messages.filter(pk=OuterRef("message_id")).values("campaign_id")
    replies = apps.get_model("contacts", "Reply").objects.using(using).exclude(message_id=None)
    replies.update(campaign_id=Subquery(answered))


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0050_figures_of_sources'),
        ('contacts', '0032_say_what_replies_were_read_as'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
