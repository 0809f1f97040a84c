"""Drop indexes whose columns another index of the same table begins with: they only made writing slower.

Only the indexes are dropped: altering the fields would make SQLite rebuild whole tables.
"""

import django.db.models.deletion
from django.db import migrations, models

DOUBLE = (
    ("deliveries_batchitem_batch_id_d0a6e803", "deliveries_batchitem", "batch_id"),
    ("deliveries_engagement_contact_id_75dfde54", "deliveries_engagement", "contact_id"),
)


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0006_engagement_native_id"), ("contacts", "0003_no_double_indexes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {index}",
                    f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})",
                )
                for index, table, column in DOUBLE
            ],
            state_operations=[
                migrations.AlterField(
                    "batchitem",
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="items",
                        to="deliveries.batch",
                    ),
                ),
                migrations.AlterField(
                    "engagement",
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="engagements",
                        to="contacts.contact",
                    ),
                ),
            ],
        ),
    ]
