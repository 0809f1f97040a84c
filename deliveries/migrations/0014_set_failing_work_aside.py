"""Work that fails is set aside with its reason; administrators see it, and can have it tried again."""

from django.db import migrations, models

from accounts.roles import sync_roles


def make_roles(apps, schema_editor):
    sync_roles(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0013_drop_stored_secrets'),
    ]

    operations = [
        migrations.CreateModel(
            name='Quarantined',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('prepare', "Preparing a campaign's audience"), ('withdraw', 'Withdrawing a canceled campaign'), ('hold', 'Pausing or resuming a campaign'), ('decide', 'Deciding about a recipient'), ('hand_over', 'Handing over a message'), ('batch', 'Carrying out a bulk action'), ('replay', 'Reading stored receipts anew'), ('replay_one', "Reading one message's receipts anew")], max_length=10)),
                ('object_id', models.BigIntegerField(help_text='The campaign, recipient, message, bulk action or mapping version.')),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Counted before each attempt.')),
                ('not_before', models.DateTimeField(blank=True, help_text='Empty: set aside until somebody has it tried again.', null=True)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'work set aside',
                'verbose_name_plural': 'work set aside',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('kind', 'object_id'), name='one_quarantine_for_a_thing')],
            },
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
