"""Registrations of senders, with their history; senders that may send already go on doing so."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

BEFORE = "Set before registrations were kept here."


def keep_states(apps, schema_editor):
    """What somebody has set stays: registrations that nobody has entered yet stop no sender."""
    senders = apps.get_model("campaigns", "Sender").objects.using(schema_editor.connection.alias)
    senders.exclude(state="not_registered").exclude(
        channel__in=["email", "voice", "rvm"], state="not_needed"
    ).update(state_reason=BEFORE)


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0023_start_at_local_times'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='sender',
            name='dkim_selectors',
            field=models.CharField(blank=True, help_text='Of a From address: the names under which its keys stand in the DNS, with spaces between.', max_length=200, verbose_name='DKIM selectors'),
        ),
        migrations.AddField(
            model_name='sender',
            name='state_reason',
            field=models.CharField(blank=True, help_text='Empty: its state follows its registrations. With a reason it stays as it was set.', max_length=300, verbose_name='why it is in that state'),
        ),
        migrations.AlterField(
            model_name='sender',
            name='state',
            field=models.CharField(choices=[('not_registered', 'Not registered yet'), ('approved', 'Approved'), ('not_needed', 'Needs no registration'), ('in_review', 'In review'), ('action_required', 'Action required'), ('suspended', 'Suspended'), ('expired', 'Registration expired')], default='not_registered', help_text='Only a sender that is approved, or needs no registration, may send. Texts need one in the USA and in many other countries; email, calls and voicemail need none.', max_length=16),
        ),
        migrations.CreateModel(
            name='Registration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('brand_10dlc', '10DLC brand'), ('campaign_10dlc', '10DLC campaign'), ('carrier', 'Carrier approval'), ('toll_free', 'Toll-free verification'), ('short_code', 'Short code approval'), ('sender_id', 'Sender ID registration'), ('stir_shaken', 'STIR/SHAKEN attestation'), ('spf', 'SPF'), ('dkim', 'DKIM'), ('dmarc', 'DMARC')], max_length=16)),
                ('country', models.CharField(blank=True, help_text='Such as US. Empty: wherever it is sent to.', max_length=2)),
                ('carrier', models.CharField(blank=True, help_text="Of a carrier's approval: which carrier.", max_length=60)),
                ('state', models.CharField(choices=[('needed', 'Needed'), ('submitted', 'Submitted'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('expired', 'Expired'), ('not_needed', 'Not needed here')], default='needed', max_length=12)),
                ('reference', models.CharField(blank=True, help_text="Its number or name there, such as the campaign's id.", max_length=120)),
                ('submitted_on', models.DateField(blank=True, null=True)),
                ('decided_on', models.DateField(blank=True, null=True)),
                ('expires_on', models.DateField(blank=True, help_text='The last day on which it holds. Empty: no end.', null=True)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('changed_at', models.DateTimeField()),
                ('sender', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='registrations', to='campaigns.sender')),
            ],
            options={
                'permissions': [('request_registration', 'Can ask for a registration')],
            },
        ),
        migrations.CreateModel(
            name='RegistrationChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('state_before', models.CharField(blank=True, max_length=16)),
                ('state', models.CharField(max_length=16)),
                ('reference', models.CharField(blank=True, max_length=120)),
                ('submitted_on', models.DateField(null=True)),
                ('decided_on', models.DateField(null=True)),
                ('expires_on', models.DateField(null=True)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('by', models.ForeignKey(help_text='None: Waybill itself.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('registration', models.ForeignKey(help_text='None: of the sender itself.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='campaigns.registration')),
                ('sender', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='registration_changes', to='campaigns.sender')),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(fields=['expires_on'], name='registrations_by_end'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.UniqueConstraint(fields=('sender', 'kind', 'country', 'carrier'), name='one_registration_of_a_kind', violation_error_message='Kind: this sender has it for that country already; change that one instead.'),
        ),
        migrations.RunPython(keep_states, migrations.RunPython.noop),
    ]
