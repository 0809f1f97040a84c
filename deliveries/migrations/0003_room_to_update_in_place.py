"""Leave room in the pages of messages, so that PostgreSQL moves a status without touching a single index.

A receipt changes no indexed column, but a full page still sends the new version of the row to another page, and then
every index gets an entry for it, which is most of what an update costs.
"""

from django.db import migrations

SET = "ALTER TABLE deliveries_message SET (fillfactor = {})"


def leave_room(apps, schema_editor):
    fill(schema_editor, 80)


def fill_up(apps, schema_editor):
    fill(schema_editor, 100)


def fill(schema_editor, percent):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(SET.format(percent))


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0002_roles")]
    operations = [migrations.RunPython(leave_room, fill_up)]
