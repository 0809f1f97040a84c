"""Compare addresses by a key that all their spellings have in common, and let each suppression stand on its own.

On SQLite the table of addresses must not be rebuilt: it would forget the triggers of the search. So the column is added
there by a statement that both databases take.
"""

from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

from contacts.addresses import match_key, normal_form

READ, WRITTEN = 10_000, 1_000


def fill(apps, schema_editor):
    """Most keys are the value itself, so that is written in one statement, and then what differs."""
    for name in ("Address", "Suppression"):
        model = apps.get_model("contacts", name)
        model.objects.update(match_key=F("value"))
        changed = []
        for row in model.objects.exclude(value="").only("pk", "value").order_by("pk").iterator(READ):
            # What was kept as some machine wrote it, 07911 123456 or +0 7911 123456, is read as it would be today.
            row.match_key = match_key(normal_form(row.value, settings.DEFAULT_REGION))
            if row.match_key != row.value:
                changed.append(row)
        model.objects.bulk_update(changed, ["match_key"], batch_size=WRITTEN)
    check_now(schema_editor)


def leave_one_of_each(apps, schema_editor):
    """Back again there is room for one of those that stand for the same reason: the strictest, told by all."""
    suppressions = apps.get_model("contacts", "Suppression").objects.filter(released_at=None).exclude(value="")
    names = ("value", "channel", "scope", "scope_value", "reason")
    kept = {}
    for one in suppressions.order_by("pk").iterator(READ):
        first = kept.setdefault(tuple(getattr(one, name) for name in names), one)
        if first is one:
            continue
        if first.expires_at and (one.expires_at is None or one.expires_at > first.expires_at):
            first.expires_at = one.expires_at
        if one.origin == "recipient":
            first.origin = one.origin
        first.evidence = "\n".join(filter(None, (first.evidence, one.evidence)))
        first.save(update_fields=["expires_at", "origin", "evidence"])
        one.delete()
    check_now(schema_editor)


def check_now(schema_editor):
    """PostgreSQL indexes no table of which it has something left to check at the end."""
    if schema_editor and schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0009_close_channels_of_a_number")]

    operations = [
        migrations.RemoveConstraint("suppression", "one_suppression_in_force"),
        migrations.RunPython(migrations.RunPython.noop, leave_one_of_each),
        migrations.AddField(
            "suppression",
            "fact",
            models.CharField(
                blank=True,
                default="",
                help_text="The one thing it is recorded for, such as “batch 12”, which counts once however often it is told.",
                max_length=80,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "suppression",
            "match_key",
            models.CharField(
                default="",
                editable=False,
                help_text="What all spellings of the address have in common; addresses are compared by it.",
                max_length=254,
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE contacts_address ADD COLUMN match_key varchar(254) NOT NULL DEFAULT ''",
                    "ALTER TABLE contacts_address DROP COLUMN match_key",
                )
            ],
            state_operations=[
                migrations.AddField(
                    "address",
                    "match_key",
                    models.CharField(
                        default="",
                        editable=False,
                        help_text="What all spellings of the address have in common; addresses are compared by it.",
                        max_length=254,
                    ),
                )
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RemoveIndex("address", "address_value"),
        migrations.AddIndex("address", models.Index(fields=["match_key"], name="address_match")),
        migrations.RemoveIndex("suppression", "suppression_value"),
        migrations.AddIndex("suppression", models.Index(fields=["match_key"], name="suppression_match")),
        migrations.AddConstraint(
            "suppression",
            models.UniqueConstraint(
                condition=~Q(fact="") & ~Q(value=""),
                fields=["match_key", "channel", "scope", "scope_value", "reason", "fact"],
                name="one_suppression_per_fact",
            ),
        ),
    ]
