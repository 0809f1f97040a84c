"""Drop indexes whose columns another index of the same table begins with: they only made writing slower.

Only the indexes are dropped: altering the fields would make SQLite rebuild whole tables.
"""

import django.db.models.deletion
from django.db import migrations, models

DOUBLE = (
    ("campaigns_content_campaign_id_b740e5e8", "campaigns_content", "campaign_id"),
    ("campaigns_recipient_campaign_id_20a372e5", "campaigns_recipient", "campaign_id"),
    ("campaigns_recipient_contact_id_34f5e802", "campaigns_recipient", "contact_id"),
)


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_built_in_playbook"), ("contacts", "0002_search")]

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
                    "content",
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="contents",
                        to="campaigns.campaign",
                    ),
                ),
                migrations.AlterField(
                    "recipient",
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="recipients",
                        to="campaigns.campaign",
                    ),
                ),
                migrations.AlterField(
                    "recipient",
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="recipients",
                        to="contacts.contact",
                    ),
                ),
            ],
        ),
    ]
