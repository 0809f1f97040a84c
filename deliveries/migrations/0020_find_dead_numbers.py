"""Decide anew about phone numbers that failed for good: which of them are dead is known from here on."""

from django.db import migrations

LOOK_AGAIN = """
INSERT INTO deliveries_moved (message_id, moved_at)
SELECT max(message_id), CURRENT_TIMESTAMP FROM deliveries_setback
WHERE disposition = 'BOUNCED_HARD' AND channel <> 'email' GROUP BY contact_id, channel ORDER BY 1
"""


class Migration(migrations.Migration):
    """The latest failure of each contact on each channel is enough: deciding reads what came before it."""

    dependencies = [
        ('deliveries', '0019_keep_a_shared_reply_for_all'),
    ]

    operations = [migrations.RunSQL(LOOK_AGAIN, migrations.RunSQL.noop)]
