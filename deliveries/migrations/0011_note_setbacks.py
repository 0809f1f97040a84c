from django.db import migrations

NOTE = """
INSERT INTO deliveries_setback (message_id, campaign_id, contact_id, channel, status, disposition, reason_code, carrier,
  list_source_id, at)
SELECT id, campaign_id, contact_id, channel, status, disposition, reason_code, carrier, list_source_id, updated_at
FROM deliveries_message WHERE reason_code <> '' OR disposition NOT IN ('', 'DELIVERED', 'PENDING') ORDER BY id
"""


class Migration(migrations.Migration):
    """What came before the table: from here on deciding notes each message that moved."""

    dependencies = [
        ('deliveries', '0010_setbacks'),
    ]

    operations = [migrations.RunSQL(NOTE, 'DELETE FROM deliveries_setback')]
