"""Messages wait by account and sender: a lane for each, so that a slow one holds up nobody."""

import django.core.validators
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0032_a_row_for_each_process")]

    operations = [
        migrations.AddField(
            "outbox", "sender_id", models.BigIntegerField(default=0), preserve_default=False
        ),
        migrations.RunSQL(
            "UPDATE deliveries_outbox SET sender_id ="
            " (SELECT sender_id FROM deliveries_message WHERE id = deliveries_outbox.message_id)",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveIndex("outbox", "outbox_due"),
        migrations.AddIndex(
            "outbox",
            models.Index(
                fields=["account_id", "sender_id", "urgent", "due_at", "message"],
                name="outbox_lane",
                condition=Q(claimed_until=None),
            ),
        ),
        migrations.AddField(
            "account",
            "at_a_time",
            models.PositiveSmallIntegerField(
                "calls at a time",
                null=True,
                blank=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                help_text="How many messages one sending process hands over at the same time; empty: as suits the provider.",
            ),
        ),
    ]
