"""The replies that are there already: each is one that somebody has to read, or has read.

Earlier replies that nobody had to read are not added: they stand on the trails of those who wrote them.
"""

from django.db import migrations


def fill(apps, schema_editor):
    replies = apps.get_model("contacts", "Reply").objects.using(schema_editor.connection.alias)
    replies.update(doubtful=True, reading="unsure")
    replies.filter(judgement="no_opt_out").update(reading="other")
    replies.filter(acted=True).update(reading="stop")


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0031_keep_every_reply'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
