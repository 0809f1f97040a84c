"""Automatic steps that no colleague stopped go on: reading receipts anew had switched them off for old attempts."""

from django.db import migrations
from django.db.models import Exists, OuterRef
from django.utils import timezone

BATCH = 500


def mark(apps, schema_editor):
    recipients = apps.get_model("campaigns", "Recipient").objects
    stopped = apps.get_model("deliveries", "Decision").objects.filter(
        recipient=OuterRef("pk"), by="staff", step="none"
    )
    last = 0
    while found := list(
        recipients.filter(~Exists(stopped), automatic=False, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        last = found[-1]
        recipients.filter(pk__in=found).update(automatic=True, read_anew_at=timezone.now())


def unmark(apps, schema_editor):
    apps.get_model("campaigns", "Recipient").objects.exclude(read_anew_at=None).update(automatic=False)


class Migration(migrations.Migration):
    dependencies = [
        ("deliveries", "0021_read_replies"),
        ("campaigns", "0008_mark_what_was_read_anew"),
    ]
    operations = [migrations.RunPython(mark, unmark)]
