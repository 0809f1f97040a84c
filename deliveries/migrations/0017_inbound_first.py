"""What people wrote is recorded before all else: a mark on what waits, and an index that finds it at once."""

from django.db import migrations, models


def mark_inbound(apps, schema_editor):
    pending = apps.get_model("deliveries", "PendingReceipt").objects.using(schema_editor.connection.alias)
    receipts = apps.get_model("deliveries", "Receipt").objects.using(schema_editor.connection.alias)
    persons = receipts.filter(pk__in=pending.exclude(state="dead").values("pk"), kind__in=["inbound", "keys", "dsn"])
    pending.filter(pk__in=persons.values("pk")).update(inbound=True)


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0016_correct_one_channel")]

    operations = [
        migrations.AddField(
            model_name="pendingreceipt",
            name="inbound",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A person may have written it: recorded before all others, and nothing is sent until it is.",
            ),
        ),
        migrations.RunPython(mark_inbound, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="pendingreceipt",
            index=models.Index(
                fields=["receipt"], name="receipt_inbound", condition=models.Q(state="new", inbound=True)
            ),
        ),
    ]
