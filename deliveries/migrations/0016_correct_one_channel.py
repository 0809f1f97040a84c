"""Marketers may correct details; what was marked for correction in bulk is closed on the channel that failed alone."""

from django.db import migrations, models

from accounts.roles import sync_roles

BATCH = 1_000
MARKED = 'needs_correction'


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


def mark_the_channel(apps, schema_editor):
    """An address marked in bulk was closed on every channel: it gets back what it was before."""
    health = apps.get_model('contacts', 'AddressHealth').objects
    addresses = apps.get_model('contacts', 'Address').objects
    for items in marks(apps):
        alive = set(
            addresses.filter(pk__in=[item.before['address'] for item in items], validity=MARKED).values_list('pk', flat=True)
        )
        mine = [item for item in items if item.before['address'] in alive]
        rows = {(item.before['address'], item.message.channel): item.batch.created_at for item in mine}
        health.bulk_create(
            [health.model(address_id=pk, channel=channel, marked_at=at) for (pk, channel), at in sorted(rows.items())],
            update_conflicts=True,
            unique_fields=['address', 'channel'],
            update_fields=['marked_at'],
        )
        validity = {}
        for item in mine:
            before = item.before.get('validity', 'unverified')
            validity.setdefault('unverified' if before == MARKED else before, []).append(item.before['address'])
        for before, those in validity.items():
            addresses.filter(pk__in=those).update(validity=before)
        for item in items:
            item.before = {**item.before, 'channel': item.message.channel}
        items[0].__class__.objects.bulk_update(items, ['before'], batch_size=200)


def mark_the_address(apps, schema_editor):
    for items in marks(apps):
        pairs = {(item.before['address'], item.before.get('channel', '')) for item in items}
        standing = apps.get_model('contacts', 'AddressHealth').objects.filter(
            address__in={pk for pk, _ in pairs}, marked_at__isnull=False
        )
        those = {pk for pk, channel in standing.values_list('address_id', 'channel') if (pk, channel) in pairs}
        apps.get_model('contacts', 'Address').objects.filter(pk__in=those).update(validity=MARKED)


def marks(apps):
    """The results of bulk marks that stand, in portions."""
    items = apps.get_model('deliveries', 'BatchItem').objects.filter(batch__action='correct', outcome='acted')
    last = 0
    while found := list(items.filter(pk__gt=last).select_related('batch', 'message').order_by('pk')[:BATCH]):
        last = found[-1].pk
        yield found


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0015_find_what_waits_of_a_campaign'),
        ('contacts', '0009_close_channels_of_a_number'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='batch',
            name='action',
            field=models.CharField(
                choices=[
                    ('retry', 'Retry'),
                    ('switch', 'Switch channel'),
                    ('correct', 'Mark for correction'),
                    ('suppress', 'Suppress'),
                ],
                max_length=8,
            ),
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
        migrations.RunPython(mark_the_channel, mark_the_address),
    ]
