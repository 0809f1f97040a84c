"""Decide anew about what stands in a queue: some is asked of people who are suppressed, some blames the record."""

from django.db import migrations

BATCH = 500
QUEUES = ['correct', 'retry', 'switch', 'watch']


def look_again(apps, schema_editor):
    entries = apps.get_model('deliveries', 'QueueEntry').objects.filter(queue__in=QUEUES).order_by('pk')
    moved = apps.get_model('deliveries', 'Moved')
    last = 0
    while found := list(entries.filter(pk__gt=last).values_list('pk', flat=True)[:BATCH]):
        last = found[-1]
        moved.objects.bulk_create([moved(message_id=pk) for pk in found])


class Migration(migrations.Migration):

    dependencies = [('deliveries', '0023_count_on_the_day_it_begins')]

    operations = [migrations.RunPython(look_again, migrations.RunPython.noop)]
