"""Keep names without accents and capitals beside them, and search those."""

from importlib import import_module

from django.db import migrations, models

from contacts.names import folded

CHUNK = 5_000
OLD_INDEX = {
    "postgresql": ["DROP INDEX IF EXISTS contact_name_trigram"],
    "sqlite": [
        *(f"DROP TRIGGER IF EXISTS contacts_name_search_{act}" for act in ("insert", "delete", "update")),
        "DROP TABLE IF EXISTS contacts_name_search",
    ],
}


def drop_old_index(apps, schema_editor):
    """Its successor is made after every migration (`contacts.search_index`)."""
    for statement in OLD_INDEX.get(schema_editor.connection.vendor, []):
        schema_editor.execute(statement)


def make_old_index(apps, schema_editor):
    old = import_module("contacts.migrations.0002_search")
    old.unmake(apps, schema_editor)
    old.make(apps, schema_editor)


def fill(apps, schema_editor):
    """In portions by id; only names that differ from what their rows have."""
    contacts = apps.get_model("contacts", "Contact").objects.using(schema_editor.connection.alias)
    last = 0
    while rows := list(contacts.filter(pk__gt=last).order_by("pk").values_list("pk", "name")[:CHUNK]):
        last = rows[-1][0]
        with schema_editor.connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE contacts_contact SET search_name = %s WHERE id = %s",
                [(folded(name), pk) for pk, name in rows if name],
            )


def drop_new_index(apps, schema_editor):
    """On the way back: SQLite cannot take away a column that a trigger names. PostgreSQL drops the index with it."""
    if schema_editor.connection.vendor == "sqlite":
        for act in ("insert", "delete", "update"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS contacts_folded_search_{act}")
        schema_editor.execute("DROP TABLE IF EXISTS contacts_folded_search")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0007_every_zone_of_a_number")]

    operations = [
        migrations.RunPython(drop_old_index, make_old_index),
        migrations.AddField(
            "contact", "search_name", models.CharField(default="", editable=False, max_length=400)
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(migrations.RunPython.noop, drop_new_index),
    ]
