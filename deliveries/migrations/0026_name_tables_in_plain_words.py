"""The names of the field for four tables and the order of statuses; the permissions keep who holds them."""

import django.db.models.deletion
from django.db import migrations, models

from accounts.roles import sync_roles

# Old name, new name, what people read.
MODELS = [
    ('moved', 'statuschange', 'unprocessed message'),
    ('setback', 'failureindex', 'failure'),
    ('codesighting', 'codeoccurrence', 'code occurrence'),
    ('strayreport', 'backscatter', 'backscatter report'),
]
VERBS = ['add', 'change', 'delete', 'view']


def rename_permissions(apps, pairs):
    """Each row keeps its id, so whoever was granted it keeps it: Django would make new ones and leave the old."""
    permissions = apps.get_model('auth', 'Permission').objects.filter(content_type__app_label='deliveries')
    for old, new, words in pairs:
        for verb in VERBS:
            permissions.filter(codename=f'{verb}_{old}').update(
                codename=f'{verb}_{new}', name=f'Can {verb} {words}'
            )


def forwards(apps, schema_editor):
    rename_permissions(apps, MODELS)
    sync_roles(apps, schema_editor.connection.alias)


def backwards(apps, schema_editor):
    rename_permissions(apps, [(new, old, old) for old, new, _ in MODELS])


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0025_see_when_a_block_did_not_hold'),
        ('contacts', '0016_keep_when_a_block_did_not_hold'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.RenameModel('Moved', 'StatusChange'),
        migrations.RenameField('statuschange', 'moved_at', 'changed_at'),
        migrations.AlterModelOptions('statuschange', {'verbose_name': 'unprocessed message'}),
        migrations.RenameModel('Setback', 'FailureIndex'),
        migrations.RenameIndex('failureindex', new_name='failure_disposition', old_name='setback_disposition'),
        migrations.RenameIndex('failureindex', new_name='failure_code', old_name='setback_code'),
        migrations.AlterField(
            model_name='failureindex',
            name='message',
            field=models.OneToOneField(
                db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True,
                related_name='failure', serialize=False, to='deliveries.message',
            ),
        ),
        migrations.AlterModelOptions('failureindex', {'verbose_name': 'failure'}),
        migrations.RenameModel('CodeSighting', 'CodeOccurrence'),
        migrations.RenameModel('StrayReport', 'Backscatter'),
        migrations.RenameIndex('backscatter', new_name='backscatter_newest', old_name='stray_newest'),
        migrations.RemoveConstraint('backscatter', 'one_stray_report_each'),
        migrations.AddConstraint(
            'backscatter',
            models.UniqueConstraint(fields=('receipt_id', 'address'), name='one_backscatter_report_each'),
        ),
        migrations.AlterModelOptions(
            'backscatter', {'ordering': ['-at'], 'verbose_name': 'backscatter report'}
        ),
        migrations.RenameField('message', 'standing', 'precedence'),
        migrations.AlterField(
            model_name='message',
            name='precedence',
            field=models.BigIntegerField(
                default=0, help_text='deliveries.statuses.precedence of the event shown.'
            ),
        ),
        migrations.RenameField('statusevent', 'standing', 'precedence'),
        migrations.AlterModelOptions(
            'heartbeat', {'verbose_name': 'worker status', 'verbose_name_plural': 'worker status'}
        ),
        migrations.RunPython(forwards, backwards),
    ]
