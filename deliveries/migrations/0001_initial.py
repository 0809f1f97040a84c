import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import deliveries.credentials
import deliveries.models.accounts


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('campaigns', '0002_built_in_playbook'),
        ('contacts', '0002_search'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('detail', models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, help_text='Our reference, in every callback address.', unique=True)),
                ('list_source_id', models.BigIntegerField(default=0, help_text='ContactList, 0 for none.')),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('attempt', models.PositiveSmallIntegerField(default=1, help_text='On this channel, for this recipient.')),
                ('cause', models.CharField(choices=[('campaign', 'The campaign'), ('retry', 'Automatic retry'), ('switch', 'Automatic change of channel'), ('bulk_retry', 'Retried by a colleague'), ('bulk_switch', 'Moved to another channel by a colleague')], default='campaign', max_length=12)),
                ('cause_reason', models.CharField(blank=True, max_length=200)),
                ('rule_version', models.PositiveIntegerField(default=0, help_text="The playbook's version; 0 for none.")),
                ('priority', models.CharField(choices=[('normal', 'Normal'), ('urgent', 'Urgent')], default='normal', max_length=8)),
                ('goal', models.CharField(max_length=12)),
                ('carrier', models.CharField(blank=True, max_length=60)),
                ('region', models.CharField(blank=True, max_length=8)),
                ('content_version', models.PositiveSmallIntegerField(default=1)),
                ('segments', models.PositiveSmallIntegerField(default=1)),
                ('cost', models.DecimalField(decimal_places=5, max_digits=10, null=True)),
                ('provider_message_id', models.CharField(blank=True, max_length=80)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('delayed', 'Delayed'), ('delivered', 'Delivered'), ('answered', 'Answered'), ('voicemail', 'Voicemail'), ('no_answer', 'No answer'), ('busy', 'Busy'), ('undelivered', 'Undelivered'), ('failed', 'Failed'), ('rejected', 'Rejected'), ('expired', 'Expired'), ('timed_out', 'Timed out'), ('bounced', 'Bounced'), ('complained', 'Complained'), ('opted_out', 'Opted out'), ('blocked', 'Blocked'), ('canceled', 'Canceled'), ('unknown', 'Unknown')], default='queued', max_length=12)),
                ('standing', models.BigIntegerField(default=0, help_text='deliveries.statuses.standing of the event shown.')),
                ('failure_class', models.CharField(choices=[('none', 'None'), ('temporary', 'Temporary'), ('permanent', 'Permanent'), ('compliance', 'Compliance'), ('content', 'Content'), ('opt_out', 'Opt-out'), ('account', 'Account'), ('unknown', 'Unknown')], default='none', max_length=12)),
                ('fault', models.CharField(choices=[('none', "Nobody's"), ('recipient', 'Recipient'), ('sender', 'Sender'), ('content', 'Content'), ('carrier', 'Carrier'), ('account', 'Account')], default='none', max_length=12)),
                ('evidence', models.CharField(choices=[('clock', 'Our own clock'), ('assumed', 'Assumed: this route sends no receipts'), ('handed_over', 'Handed over to the carrier'), ('carrier', 'Carrier receipt'), ('handset', 'Handset receipt')], default='clock', max_length=12)),
                ('disposition', models.CharField(blank=True, choices=[('DELIVERED', 'Delivered'), ('PENDING', 'Pending'), ('PENDING_RETRY', 'Retryable'), ('BOUNCED_HARD', 'Permanent'), ('BLOCKED_COMPLIANCE', 'Compliance'), ('OPTOUT', 'Opted out'), ('UNKNOWN', 'Unknown')], default='PENDING', max_length=20)),
                ('reason_code', models.CharField(blank=True, help_text="The provider's own code.", max_length=64)),
                ('parts', models.PositiveSmallIntegerField(default=0, help_text='Parts that report on their own; 0 or 1: it is whole.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('created_on', models.DateField(help_text='UTC day of created_at: the day the tallies count it on.')),
                ('due_at', models.DateTimeField(help_text='Not before.')),
                ('handed_over_at', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('settled_at', models.DateTimeField(null=True)),
                ('confirm_by', models.DateTimeField(help_text='Silent past this: unknown.', null=True)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('canceled_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Moved',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.BigIntegerField()),
                ('moved_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.BigIntegerField()),
                ('kind', models.CharField(max_length=16)),
                ('received_at', models.DateTimeField()),
                ('method', models.CharField(default='POST', max_length=8)),
                ('query', models.TextField(blank=True)),
                ('headers', models.JSONField(default=dict)),
                ('body', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='QueueTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('campaign_id', models.BigIntegerField()),
                ('queue', models.CharField(max_length=8)),
            ],
            options={
                'verbose_name_plural': 'queue tallies',
            },
        ),
        migrations.CreateModel(
            name='RecipientTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('campaign_id', models.BigIntegerField()),
                ('state', models.CharField(max_length=8)),
                ('skip_reason', models.CharField(max_length=24)),
            ],
            options={
                'verbose_name_plural': 'recipient tallies',
            },
        ),
        migrations.CreateModel(
            name='SourceTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('campaign_id', models.BigIntegerField()),
                ('list_source_id', models.BigIntegerField()),
                ('region', models.CharField(max_length=8)),
                ('channel', models.CharField(max_length=8)),
                ('disposition', models.CharField(max_length=20)),
            ],
            options={
                'verbose_name_plural': 'source tallies',
            },
        ),
        migrations.CreateModel(
            name='StatusEvent',
            fields=[
                ('pk', models.CompositePrimaryKey('message_id', 'fact', blank=True, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.BigIntegerField()),
                ('fact', models.BigIntegerField(help_text='deliveries.statuses.fact_key of what was said.')),
                ('receipt_id', models.BigIntegerField(help_text="Empty: said by our own clock or by the handover's answer.", null=True)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('delayed', 'Delayed'), ('delivered', 'Delivered'), ('answered', 'Answered'), ('voicemail', 'Voicemail'), ('no_answer', 'No answer'), ('busy', 'Busy'), ('undelivered', 'Undelivered'), ('failed', 'Failed'), ('rejected', 'Rejected'), ('expired', 'Expired'), ('timed_out', 'Timed out'), ('bounced', 'Bounced'), ('complained', 'Complained'), ('opted_out', 'Opted out'), ('blocked', 'Blocked'), ('canceled', 'Canceled'), ('unknown', 'Unknown')], max_length=12)),
                ('standing', models.BigIntegerField()),
                ('failure_class', models.CharField(choices=[('none', 'None'), ('temporary', 'Temporary'), ('permanent', 'Permanent'), ('compliance', 'Compliance'), ('content', 'Content'), ('opt_out', 'Opt-out'), ('account', 'Account'), ('unknown', 'Unknown')], max_length=12)),
                ('fault', models.CharField(choices=[('none', "Nobody's"), ('recipient', 'Recipient'), ('sender', 'Sender'), ('content', 'Content'), ('carrier', 'Carrier'), ('account', 'Account')], max_length=12)),
                ('evidence', models.CharField(choices=[('clock', 'Our own clock'), ('assumed', 'Assumed: this route sends no receipts'), ('handed_over', 'Handed over to the carrier'), ('carrier', 'Carrier receipt'), ('handset', 'Handset receipt')], max_length=12)),
                ('native_status', models.CharField(blank=True, max_length=64)),
                ('native_code', models.CharField(blank=True, max_length=64)),
                ('native_text', models.CharField(blank=True, max_length=300)),
                ('part', models.PositiveSmallIntegerField(default=0)),
                ('parts', models.PositiveSmallIntegerField(default=0)),
                ('occurred_at', models.DateTimeField(help_text="The provider's time, or when the first such receipt came in.")),
                ('recorded_at', models.DateTimeField()),
                ('mapping_version', models.PositiveIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name='TallyDelta',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('campaign_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('channel', models.CharField(max_length=8)),
                ('account_id', models.BigIntegerField()),
                ('carrier', models.CharField(max_length=60)),
                ('region', models.CharField(max_length=8)),
                ('list_source_id', models.BigIntegerField()),
                ('status', models.CharField(max_length=12)),
                ('failure_class', models.CharField(max_length=12)),
                ('disposition', models.CharField(max_length=20)),
                ('reason_code', models.CharField(max_length=64)),
                ('n', models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('provider', models.CharField(help_text='A slug of deliveries/providers.', max_length=24)),
                ('token', models.CharField(default=deliveries.models.accounts.new_token, help_text='Part of the address its receipts are sent to.', max_length=40, unique=True)),
                ('credentials', deliveries.credentials.EncryptedJSONField(blank=True, default=dict)),
                ('channels', models.JSONField(default=list, help_text='Channels handed over here.')),
                ('rank', models.PositiveSmallIntegerField(default=10, help_text='Among accounts for a channel the lowest is used.')),
                ('active', models.BooleanField(default=True)),
                ('paused_until', models.DateTimeField(blank=True, help_text='Nothing is handed over before: an outage, or the provider asked us to wait.', null=True)),
                ('failures', models.PositiveSmallIntegerField(default=0, editable=False, help_text='Handovers failed in a row.')),
                ('forged', models.PositiveIntegerField(default=0, editable=False, help_text='Callbacks refused for their signature.')),
                ('forged_at', models.DateTimeField(editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('senders', models.ManyToManyField(blank=True, related_name='accounts', to='campaigns.sender')),
            ],
            options={
                'ordering': ['rank', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(choices=[('retry', 'Retry'), ('switch', 'Switch channel'), ('correct', 'Correct'), ('suppress', 'Suppress')], max_length=8)),
                ('options', models.JSONField(default=dict, help_text='What the action needs: the channel, the reason, the note.')),
                ('selection', models.JSONField(help_text="Either {'messages': [ids]} or {'filter': {...}} with campaign and queue.")),
                ('selected_at', models.DateTimeField(help_text='Rows that came to stand in the queue later are not part of it.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('state', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('undoing', 'Undoing'), ('undone', 'Undone')], default='running', max_length=8)),
                ('finished_at', models.DateTimeField(null=True)),
                ('cursor', models.BigIntegerField(default=0, help_text='Messages up to this id have their result.')),
                ('total', models.PositiveIntegerField(default=0)),
                ('acted', models.PositiveIntegerField(default=0)),
                ('skipped', models.PositiveIntegerField(default=0)),
                ('undone', models.PositiveIntegerField(default=0)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='batches', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'batches',
                'permissions': [('act_in_bulk', 'May retry, switch, correct and suppress from reports and queues')],
            },
        ),
        migrations.CreateModel(
            name='CarrierTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('campaign_id', models.BigIntegerField()),
                ('channel', models.CharField(max_length=8)),
                ('carrier', models.CharField(max_length=60)),
                ('status', models.CharField(max_length=12)),
                ('failure_class', models.CharField(max_length=12)),
                ('disposition', models.CharField(max_length=20)),
            ],
            options={
                'verbose_name_plural': 'carrier tallies',
                'constraints': [models.UniqueConstraint(fields=('campaign_id', 'channel', 'carrier', 'status', 'failure_class', 'disposition'), name='carrier_tally_key')],
            },
        ),
        migrations.CreateModel(
            name='CodeTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('campaign_id', models.BigIntegerField()),
                ('channel', models.CharField(max_length=8)),
                ('account_id', models.BigIntegerField()),
                ('reason_code', models.CharField(max_length=64)),
                ('status', models.CharField(max_length=12)),
                ('disposition', models.CharField(max_length=20)),
            ],
            options={
                'verbose_name_plural': 'code tallies',
                'constraints': [models.UniqueConstraint(fields=('campaign_id', 'channel', 'account_id', 'reason_code', 'status', 'disposition'), name='code_tally_key')],
            },
        ),
        migrations.CreateModel(
            name='DayTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('n', models.BigIntegerField(default=0)),
                ('day', models.DateField()),
                ('channel', models.CharField(max_length=8)),
                ('account_id', models.BigIntegerField()),
                ('carrier', models.CharField(max_length=60)),
                ('disposition', models.CharField(max_length=20)),
            ],
            options={
                'verbose_name_plural': 'day tallies',
                'constraints': [models.UniqueConstraint(fields=('day', 'channel', 'account_id', 'carrier', 'disposition'), name='day_tally_key')],
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.BigIntegerField(null=True)),
                ('at', models.DateTimeField()),
                ('by', models.CharField(help_text='playbook, gate, staff or clock.', max_length=16)),
                ('rule', models.CharField(max_length=40)),
                ('rule_version', models.PositiveIntegerField(default=0)),
                ('step', models.CharField(choices=[('none', 'Nothing to do'), ('wait', 'Wait'), ('retry', 'Retry'), ('switch', 'Switch channel'), ('correct', 'Correct'), ('review', 'Review'), ('suppress', 'Suppress'), ('verify', 'Verify')], max_length=8)),
                ('due_at', models.DateTimeField(null=True)),
                ('reason', models.CharField(max_length=300)),
                ('contact', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='contacts.contact')),
                ('recipient', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='campaigns.recipient')),
            ],
        ),
        migrations.CreateModel(
            name='Engagement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.BigIntegerField(null=True)),
                ('receipt_id', models.BigIntegerField(null=True, unique=True)),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('kind', models.CharField(choices=[('reply', 'Reply'), ('stop', 'Replied STOP'), ('start', 'Replied START'), ('help', 'Asked for help'), ('key_press', 'Pressed a key'), ('open', 'Opened'), ('click', 'Clicked')], max_length=12)),
                ('text', models.TextField(blank=True)),
                ('at', models.DateTimeField()),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='engagements', to='contacts.contact')),
            ],
        ),
        migrations.CreateModel(
            name='Outbox',
            fields=[
                ('message', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='outbox', serialize=False, to='deliveries.message')),
                ('campaign_id', models.BigIntegerField()),
                ('account_id', models.BigIntegerField()),
                ('urgent', models.BooleanField(default=False)),
                ('due_at', models.DateTimeField()),
                ('claimed_until', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Counted before each attempt.')),
                ('held', models.CharField(blank=True, help_text='Why the gate postponed it, from contacts/gate.py.', max_length=24)),
            ],
            options={
                'verbose_name_plural': 'outbox',
            },
        ),
        migrations.CreateModel(
            name='QueueEntry',
            fields=[
                ('message', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='queue_entry', serialize=False, to='deliveries.message')),
                ('queue', models.CharField(choices=[('retry', 'Retry'), ('switch', 'Switch channel'), ('correct', 'Correct'), ('review', 'Review content'), ('suppress', 'Suppress'), ('watch', 'Watch')], max_length=8)),
                ('contact_id', models.BigIntegerField()),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('delayed', 'Delayed'), ('delivered', 'Delivered'), ('answered', 'Answered'), ('voicemail', 'Voicemail'), ('no_answer', 'No answer'), ('busy', 'Busy'), ('undelivered', 'Undelivered'), ('failed', 'Failed'), ('rejected', 'Rejected'), ('expired', 'Expired'), ('timed_out', 'Timed out'), ('bounced', 'Bounced'), ('complained', 'Complained'), ('opted_out', 'Opted out'), ('blocked', 'Blocked'), ('canceled', 'Canceled'), ('unknown', 'Unknown')], max_length=12)),
                ('disposition', models.CharField(choices=[('DELIVERED', 'Delivered'), ('PENDING', 'Pending'), ('PENDING_RETRY', 'Retryable'), ('BOUNCED_HARD', 'Permanent'), ('BLOCKED_COMPLIANCE', 'Compliance'), ('OPTOUT', 'Opted out'), ('UNKNOWN', 'Unknown')], max_length=20)),
                ('reason_code', models.CharField(blank=True, max_length=64)),
                ('carrier', models.CharField(blank=True, max_length=60)),
                ('list_source_id', models.BigIntegerField(default=0)),
                ('at', models.DateTimeField(help_text='When it came to stand here.')),
                ('due_at', models.DateTimeField(help_text='When the playbook will act by itself; empty: it waits for you.', null=True)),
                ('reason', models.CharField(max_length=300)),
                ('snoozed_until', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'queue entries',
            },
        ),
        migrations.AddField(
            model_name='message',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='deliveries.account'),
        ),
        migrations.AddField(
            model_name='message',
            name='address',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='contacts.address'),
        ),
        migrations.AddField(
            model_name='message',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='campaigns.campaign'),
        ),
        migrations.AddField(
            model_name='message',
            name='contact',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='contacts.contact'),
        ),
        migrations.AddField(
            model_name='message',
            name='follows',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followers', to='deliveries.message'),
        ),
        migrations.AddField(
            model_name='message',
            name='recipient',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='campaigns.recipient'),
        ),
        migrations.AddField(
            model_name='message',
            name='sender',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.sender'),
        ),
        migrations.CreateModel(
            name='BatchItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=[('acted', 'Done'), ('skipped', 'Skipped'), ('undone', 'Undone'), ('too_late', 'Could not be undone')], max_length=8)),
                ('reason', models.CharField(blank=True, help_text='Why it was skipped, a key of batches.SKIPS.', max_length=40)),
                ('successor_id', models.BigIntegerField(help_text='The message this made.', null=True)),
                ('suppression_id', models.BigIntegerField(null=True)),
                ('before', models.JSONField(default=dict, help_text='What undo restores.')),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='deliveries.batch')),
                ('message', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='batch_items', to='deliveries.message')),
            ],
        ),
        migrations.CreateModel(
            name='PendingReceipt',
            fields=[
                ('receipt', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='pending', serialize=False, to='deliveries.receipt')),
                ('state', models.CharField(choices=[('new', 'New'), ('parked', 'Parked'), ('dead', 'Dead letter')], default='new', max_length=6)),
                ('not_before', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('reason', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.AddIndex(
            model_name='receipt',
            index=models.Index(fields=['received_at'], name='receipt_received'),
        ),
        migrations.AddConstraint(
            model_name='queuetally',
            constraint=models.UniqueConstraint(fields=('campaign_id', 'queue'), name='queue_tally_key'),
        ),
        migrations.AddConstraint(
            model_name='recipienttally',
            constraint=models.UniqueConstraint(fields=('campaign_id', 'state', 'skip_reason'), name='recipient_tally_key'),
        ),
        migrations.AddConstraint(
            model_name='sourcetally',
            constraint=models.UniqueConstraint(fields=('campaign_id', 'list_source_id', 'region', 'channel', 'disposition'), name='source_tally_key'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['contact', '-at', '-id'], name='decision_newest'),
        ),
        migrations.AddIndex(
            model_name='engagement',
            index=models.Index(fields=['contact', '-at', '-id'], name='engagement_newest'),
        ),
        migrations.AddIndex(
            model_name='outbox',
            index=models.Index(condition=models.Q(('claimed_until', None)), fields=['urgent', 'due_at', 'message'], name='outbox_due'),
        ),
        migrations.AddIndex(
            model_name='outbox',
            index=models.Index(condition=models.Q(('claimed_until__isnull', False)), fields=['claimed_until'], name='outbox_claimed'),
        ),
        migrations.AddField(
            model_name='queueentry',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='campaigns.campaign'),
        ),
        migrations.AddField(
            model_name='queueentry',
            name='owner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['campaign', '-id'], name='message_campaign'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['contact', '-id'], name='message_contact'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['recipient', 'id'], name='message_recipient'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(condition=models.Q(('provider_message_id', ''), _negated=True), fields=('account', 'provider_message_id'), name='one_message_per_provider_id'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(condition=models.Q(('canceled_at__isnull', True), ('follows__isnull', False)), fields=('follows',), name='one_successor'),
        ),
        migrations.AddConstraint(
            model_name='batchitem',
            constraint=models.UniqueConstraint(fields=('batch', 'message'), name='one_result_per_message'),
        ),
        migrations.AddIndex(
            model_name='pendingreceipt',
            index=models.Index(condition=models.Q(('state', 'new')), fields=['receipt'], name='receipt_new'),
        ),
        migrations.AddIndex(
            model_name='pendingreceipt',
            index=models.Index(condition=models.Q(('state', 'parked')), fields=['not_before'], name='receipt_parked'),
        ),
        migrations.AddIndex(
            model_name='pendingreceipt',
            index=models.Index(condition=models.Q(('state', 'dead')), fields=['-receipt'], name='receipt_dead'),
        ),
        migrations.AddIndex(
            model_name='queueentry',
            index=models.Index(fields=['campaign', 'queue', '-at', '-message'], name='queue_campaign'),
        ),
        migrations.AddIndex(
            model_name='queueentry',
            index=models.Index(fields=['queue', '-at', '-message'], name='queue_all'),
        ),
        migrations.AddIndex(
            model_name='queueentry',
            index=models.Index(condition=models.Q(('snoozed_until__isnull', False)), fields=['queue', 'snoozed_until'], name='queue_snoozed'),
        ),
    ]
