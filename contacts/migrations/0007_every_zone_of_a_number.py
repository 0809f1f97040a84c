"""Keep every zone in which a number may lie, where only the first of the alphabet was kept."""

from functools import cache

import phonenumbers
from django.db import migrations, models
from phonenumbers import PhoneNumberType, timezone
from phonenumbers.tzdata import TIMEZONE_DATA

BATCH = 5_000
NOWHERE = ('', 'toll_free', 'other')  # the zone of these does not come from the number
HELP = (
    'IANA names, separated by blanks: every zone where the number may be. Messages leave when the hours are'
    ' permitted in all of them; enter one alone to say which it is.'
)


def widen(apps, schema_editor):
    _alter(schema_editor, 'varchar(1000)')


def narrow(apps, schema_editor):
    _alter(schema_editor, 'varchar(64)')


def _alter(schema_editor, kind):
    """SQLite keeps texts of any length, and making its table anew would lose the triggers of the search."""
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute(f'ALTER TABLE contacts_address ALTER COLUMN time_zone TYPE {kind}')


def keep_every_zone(apps, schema_editor):
    """Only where the zone was the one read off the number: what somebody entered stays."""
    for part in parts(phones(apps)):
        ids = {}
        for pk, value, kept in part:
            first, zones = zones_of(value)
            if kept == first and zones not in ('', kept):
                ids.setdefault(zones, []).append(pk)
        write(apps, ids)


def keep_the_first(apps, schema_editor):
    for part in parts(phones(apps).filter(time_zone__contains=' ')):
        ids = {}
        for pk, value, kept in part:
            ids.setdefault(zones_of(value)[0] or kept.split()[0], []).append(pk)
        write(apps, ids)


def parts(rows):
    last = 0
    while part := list(rows.filter(pk__gt=last).values_list('pk', 'value', 'time_zone')[:BATCH]):
        yield part
        last = part[-1][0]


def phones(apps):
    return apps.get_model('contacts', 'Address').objects.filter(kind='phone').exclude(line_type__in=NOWHERE).order_by('pk')


def write(apps, ids):
    for zones, those in ids.items():
        for at in range(0, len(those), 500):
            apps.get_model('contacts', 'Address').objects.filter(pk__in=those[at : at + 500]).update(time_zone=zones)


def zones_of(value):
    """The zone that was kept of this number, and all that are kept from here on; empty where it is none."""
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return '', ''
    first = timezone.time_zones_for_number(number)[0]
    main = phonenumbers.region_code_for_country_code(number.country_code)
    a_part = phonenumbers.region_code_for_number(number) not in (None, main)
    by_operator = number.country_code == 62 and phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    whole, known = value.removeprefix('+'), str(number.country_code)
    if a_part or (phonenumbers.is_number_geographical(number) and not by_operator):
        known = next((whole[:n] for n in range(9, len(known), -1) if whole[:n] in TIMEZONE_DATA), known)
    return '' if first == timezone.UNKNOWN_TIMEZONE else first, zones_beginning(known)


@cache
def zones_beginning(known):
    lists = (zones for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(known))
    return ' '.join(sorted({zone for zones in lists for zone in zones}))


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0006_find_suppressions'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(widen, narrow)],
            state_operations=[
                migrations.AlterField(
                    model_name='address',
                    name='time_zone',
                    field=models.CharField(blank=True, help_text=HELP, max_length=1000),
                ),
            ],
        ),
        migrations.RunPython(keep_every_zone, keep_the_first),
    ]
