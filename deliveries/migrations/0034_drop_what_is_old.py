"""When old receipts and status events were dropped, and who may see that: the roles once more."""

from django.db import migrations, models

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0033_lanes_of_the_outbox'),
        ('contacts', '0016_keep_when_a_block_did_not_hold'),
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetentionRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('receipts', 'Receipts'), ('events', 'Status events')], max_length=8)),
                ('below', models.BigIntegerField(help_text='Receipts with a smaller number are gone, or the status events of messages with a smaller one.')),
                ('older_than', models.DateTimeField(help_text='All that was dropped came in before.')),
                ('at', models.DateTimeField(help_text='When they were dropped.')),
                ('rows', models.BigIntegerField(default=0, help_text='How many they were; on PostgreSQL an estimate.')),
            ],
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
