"""Have a decision fall due for who has a silent message while nothing was due: nobody would ever look again."""

from django.db import migrations
from django.utils import timezone

BATCH = 500


def look_again(apps, schema_editor):
    """In portions by message; which of them have been silent for too long is for deciding to say."""
    messages = apps.get_model('deliveries', 'Message').objects.filter(
        disposition='PENDING', handed_over_at__isnull=False, canceled_at=None, recipient__next_step_at=None
    )
    recipients = apps.get_model('campaigns', 'Recipient').objects
    last = 0
    while found := list(messages.filter(pk__gt=last).order_by('pk').values_list('pk', 'recipient')[:BATCH]):
        last = found[-1][0]
        recipients.filter(pk__in={recipient for _, recipient in found}).update(next_step_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0017_inbound_first'),
        ('campaigns', '0005_keep_playbooks_in_bounds'),
    ]

    operations = [migrations.RunPython(look_again, migrations.RunPython.noop)]
