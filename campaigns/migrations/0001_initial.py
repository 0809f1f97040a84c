import datetime

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('contacts', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Playbook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('retries', models.PositiveSmallIntegerField(default=2, help_text='Retries of a temporary failure.')),
                ('retry_window_hours', models.PositiveSmallIntegerField(default=24, help_text='Counted from the first attempt.')),
                ('retry_after_hours', models.PositiveSmallIntegerField(default=4, help_text='Pause before each retry.')),
                ('at_risk_hours', models.PositiveSmallIntegerField(default=24, help_text='Delayed or silent for longer is flagged at risk.')),
                ('switch_after_hours', models.PositiveSmallIntegerField(default=48, help_text='Not delivered after this long moves to the next channel.')),
                ('switch_to', models.JSONField(default=list, help_text='Channels in order of preference.')),
                ('urgent_switch_to', models.JSONField(default=list, help_text='The same, for urgent campaigns.')),
                ('give_up_hours', models.PositiveSmallIntegerField(default=72, help_text='Silent for longer counts as timed out: unknown, not failed.')),
                ('strikes', models.PositiveSmallIntegerField(default=3, help_text='Permanent failures in a row that suppress the address on that channel.')),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('slug', models.SlugField(max_length=140, unique=True)),
                ('goal', models.CharField(choices=[('exposure', 'Exposure: it counts when it arrives'), ('conversation', 'Conversation: it counts when somebody answers')], default='exposure', max_length=12)),
                ('priority', models.CharField(choices=[('normal', 'Normal'), ('urgent', 'Urgent')], default='normal', max_length=8)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('launching', 'Preparing'), ('sending', 'Sending'), ('paused', 'Paused'), ('completed', 'Completed'), ('canceled', 'Canceled')], default='draft', max_length=12)),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], default='sms', help_text="The first attempt's channel.", max_length=8)),
                ('window_start', models.TimeField(default=datetime.time(9, 0), help_text="In each recipient's own time zone.")),
                ('window_end', models.TimeField(default=datetime.time(21, 0), help_text='Exclusive: 21:00 itself is too late.')),
                ('starts_at', models.DateTimeField(blank=True, help_text='Empty: as soon as it is launched.', null=True)),
                ('relevant_until', models.DateTimeField(blank=True, help_text='No attempt is worth making after this. Empty: always relevant.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('launched_at', models.DateTimeField(blank=True, null=True)),
                ('completed_at', models.DateTimeField(blank=True, null=True)),
                ('audience_size', models.PositiveIntegerField(default=0, editable=False)),
                ('expanded_to', models.BigIntegerField(default=0, editable=False, help_text='Contacts up to this id have their row.')),
                ('expanded_count', models.PositiveIntegerField(default=0, editable=False)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('launched_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lists', models.ManyToManyField(related_name='campaigns', to='contacts.contactlist')),
                ('playbook', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='campaigns.playbook')),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('view_report', 'May open campaign reports and action queues'), ('launch_campaign', 'May launch, pause and cancel campaigns'), ('export_report', 'May export reports')],
            },
        ),
        migrations.CreateModel(
            name='Recipient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('skipped', 'Skipped'), ('planned', 'Planned'), ('open', 'Open'), ('reached', 'Reached'), ('failed', 'Failed'), ('unknown', 'Unknown')], default='planned', max_length=8)),
                ('skip_reason', models.CharField(blank=True, help_text='A reason of contacts/gate.py.', max_length=24)),
                ('reached_at', models.DateTimeField(blank=True, null=True)),
                ('reached_by', models.CharField(blank=True, choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('next_step', models.CharField(choices=[('none', 'Nothing to do'), ('wait', 'Wait'), ('retry', 'Retry'), ('switch', 'Switch channel'), ('correct', 'Correct'), ('review', 'Review'), ('suppress', 'Suppress'), ('verify', 'Verify')], default='none', max_length=8)),
                ('next_step_at', models.DateTimeField(blank=True, null=True)),
                ('next_step_reason', models.CharField(blank=True, max_length=300)),
                ('automatic', models.BooleanField(default=True, help_text='Off: a colleague stopped the automatic steps.')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recipients', to='campaigns.campaign')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recipients', to='contacts.contact')),
            ],
        ),
        migrations.CreateModel(
            name='Sender',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('value', models.CharField(help_text='E.164 number, short code or From address.', max_length=254)),
                ('state', models.CharField(choices=[('approved', 'Approved'), ('in_review', 'In review'), ('action_required', 'Action required'), ('suspended', 'Suspended')], default='approved', help_text='Only an approved sender may send.', max_length=16)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('channel', 'value'), name='one_sender_per_channel')],
            },
        ),
        migrations.CreateModel(
            name='Content',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('version', models.PositiveSmallIntegerField(default=1, editable=False)),
                ('subject', models.CharField(blank=True, help_text='Email only.', max_length=200)),
                ('body', models.TextField(help_text="Merge fields: {name}, {first_name} and the contacts' own attributes.")),
                ('media_url', models.URLField(blank=True, help_text='MMS picture, or the recording to play on voice and voicemail.')),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contents', to='campaigns.campaign')),
                ('sender', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contents', to='campaigns.sender')),
            ],
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(('window_start__lt', models.F('window_end'))), name='window_opens_first'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(fields=['contact'], name='recipient_contact'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(condition=models.Q(('next_step_at__isnull', False)), fields=['next_step_at'], name='recipient_due'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.UniqueConstraint(fields=('campaign', 'contact'), name='one_recipient_per_contact'),
        ),
        migrations.AddConstraint(
            model_name='content',
            constraint=models.UniqueConstraint(fields=('campaign', 'channel'), name='one_content_per_channel'),
        ),
    ]
