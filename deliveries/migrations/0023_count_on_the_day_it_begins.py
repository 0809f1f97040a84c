"""Messages of campaigns that have not begun count on the day they begin, as those expanded from now on do."""

from datetime import UTC

from django.db import migrations, models
from django.db.models import Count
from django.utils import timezone

# The dimensions that a change of the tallies has, beside its day.
KEY = (
    'campaign_id', 'channel', 'account_id', 'carrier', 'region', 'list_source_id', 'status', 'failure_class',
    'disposition', 'reason_code',
)


def move(apps, day_of):
    """Count messages on `day_of(campaign, day)` instead. The two changes of a cell differ in nothing but their day."""
    messages, delta = (apps.get_model('deliveries', name).objects for name in ('Message', 'TallyDelta'))
    campaigns = apps.get_model('campaigns', 'Campaign').objects
    for campaign in campaigns.filter(launched_at__isnull=False, starts_at__gt=timezone.now()):
        mine = messages.filter(campaign_id=campaign.pk).order_by()
        changes = []
        for cell in mine.values('created_on', *KEY).annotate(n=Count('*')):
            old, n = cell.pop('created_on'), cell.pop('n')
            new = day_of(campaign, old)
            changes += [delta.model(**cell, day=old, n=-n), delta.model(**cell, day=new, n=n)] if new != old else []
        delta.bulk_create(changes, batch_size=50)
        for old in {change.day for change in changes if change.n < 0}:
            mine.filter(created_on=old).update(created_on=day_of(campaign, old))


def to_the_start(apps, schema_editor):
    move(apps, lambda campaign, day: campaign.starts_at.astimezone(UTC).date())


def to_the_launch(apps, schema_editor):
    move(apps, lambda campaign, day: campaign.launched_at.astimezone(UTC).date())


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0022_reading_anew_stops_nobody'),
        ('campaigns', '0008_mark_what_was_read_anew'),
    ]

    operations = [
        migrations.AlterField(
            model_name='message',
            name='created_on',
            field=models.DateField(
                help_text='The UTC day that tallies count it on: when it was made, or its campaign begins later.'
            ),
        ),
        migrations.RunPython(to_the_start, to_the_launch),
    ]
