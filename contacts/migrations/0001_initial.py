import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(blank=True, max_length=200)),
                ('external_id', models.CharField(blank=True, help_text='The id of this person in the system they were imported from.', max_length=120)),
                ('time_zone', models.CharField(blank=True, help_text='IANA name, such as America/Chicago. Empty: taken from the phone number.', max_length=64)),
                ('locale', models.CharField(blank=True, max_length=16)),
                ('stage', models.CharField(blank=True, choices=[('lead', 'Lead'), ('customer', 'Customer'), ('lapsed', 'Lapsed')], max_length=16)),
                ('value_tier', models.PositiveSmallIntegerField(default=0, help_text='0 is ordinary; higher is more valuable.')),
                ('attributes', models.JSONField(blank=True, default=dict, help_text='Further merge fields, as name and text.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'permissions': [('view_full_address', "May see whole phone numbers and email addresses on a contact's trail"), ('correct_contact', "May correct a contact's details"), ('suppress_contact', 'May suppress a contact or an address')],
            },
        ),
        migrations.CreateModel(
            name='ContactList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('slug', models.SlugField(max_length=140, unique=True)),
                ('description', models.CharField(blank=True, max_length=300)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Address',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('phone', 'Phone number'), ('email', 'Email address')], max_length=8)),
                ('value', models.CharField(help_text='E.164 for phones, lower-case domain for emails.', max_length=254)),
                ('line_type', models.CharField(choices=[('mobile', 'Mobile'), ('fixed_or_mobile', 'Fixed or mobile'), ('landline', 'Landline'), ('voip', 'VoIP'), ('toll_free', 'Toll-free'), ('other', 'Other'), ('unknown', 'Unknown')], default='unknown', max_length=16)),
                ('carrier', models.CharField(blank=True, max_length=60)),
                ('region', models.CharField(blank=True, help_text='Country, or country and state, such as US or US-TX.', max_length=8)),
                ('time_zone', models.CharField(blank=True, help_text='IANA name, guessed from the number.', max_length=64)),
                ('validity', models.CharField(choices=[('valid', 'Valid'), ('unverified', 'Not verified'), ('needs_correction', 'Needs correction'), ('invalid', 'Invalid')], default='unverified', max_length=16)),
                ('preferred', models.BooleanField(default=True, help_text='The one to use when a contact has several of a kind.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='addresses', to='contacts.contact')),
            ],
            options={
                'verbose_name_plural': 'addresses',
            },
        ),
        migrations.AddField(
            model_name='contact',
            name='source',
            field=models.ForeignKey(blank=True, help_text='The list that first brought this contact in; outcomes are reported by it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sourced', to='contacts.contactlist'),
        ),
        migrations.CreateModel(
            name='ListMembership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='contacts.contact')),
                ('contact_list', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='contacts.contactlist')),
            ],
        ),
        migrations.AddField(
            model_name='contact',
            name='lists',
            field=models.ManyToManyField(related_name='contacts', through='contacts.ListMembership', to='contacts.contactlist'),
        ),
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='contacts.contact')),
            ],
        ),
        migrations.CreateModel(
            name='Suppression',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.CharField(blank=True, help_text='The phone number (E.164) or email; empty to block the whole contact.', max_length=254)),
                ('channel', models.CharField(blank=True, choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], help_text='Empty blocks every channel.', max_length=8)),
                ('scope', models.CharField(choices=[('everything', 'Everything we send'), ('brand', 'One brand'), ('sender', 'One sender')], default='everything', max_length=12)),
                ('scope_value', models.CharField(blank=True, help_text='The brand or the sender, for those scopes.', max_length=120)),
                ('reason', models.CharField(choices=[('stop', 'Replied STOP'), ('complaint', 'Spam complaint'), ('hard_bounce', 'Hard bounce'), ('hard_fails', 'Permanent failures in a row'), ('staff', 'Added by staff'), ('imported', 'Imported')], max_length=16)),
                ('origin', models.CharField(choices=[('recipient', 'Recipient'), ('provider', 'Provider'), ('rule', 'Rule'), ('staff', 'Staff'), ('import', 'Import')], max_length=12)),
                ('evidence', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('release_note', models.CharField(blank=True, max_length=300)),
                ('contact', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='suppressions', to='contacts.contact')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('released_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='AddressHealth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('hard_fails', models.PositiveSmallIntegerField(default=0, help_text="Permanent failures at the recipient's end in a row; a delivery ends the row.")),
                ('last_failed_at', models.DateTimeField(blank=True, null=True)),
                ('last_code', models.CharField(blank=True, max_length=64)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('address', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='health', to='contacts.address')),
            ],
            options={
                'verbose_name_plural': 'address health',
                'constraints': [models.UniqueConstraint(fields=('address', 'channel'), name='one_health_per_channel')],
            },
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('opted_in', models.BooleanField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('how', models.CharField(help_text='Web form, keyword, paper, import, staff ...', max_length=60)),
                ('wording', models.TextField(blank=True, help_text='The words shown to the person when they chose.')),
                ('evidence', models.TextField(blank=True, help_text='What proves it: a form id, the text of the reply, a receipt.')),
                ('recorded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consents', to='contacts.contact')),
            ],
            options={
                'indexes': [models.Index(fields=['contact', 'channel', '-at', '-id'], name='consent_latest')],
            },
        ),
        migrations.AddIndex(
            model_name='address',
            index=models.Index(fields=['value'], name='address_value'),
        ),
        migrations.AddConstraint(
            model_name='address',
            constraint=models.UniqueConstraint(fields=('contact', 'value'), name='one_address_per_contact'),
        ),
        migrations.AddConstraint(
            model_name='address',
            constraint=models.UniqueConstraint(condition=models.Q(('preferred', True)), fields=('contact', 'kind'), name='one_preferred_address_per_kind'),
        ),
        migrations.AddConstraint(
            model_name='listmembership',
            constraint=models.UniqueConstraint(fields=('contact_list', 'contact'), name='one_membership_per_list'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('external_id', ''), _negated=True), fields=['external_id'], name='contact_external'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(fields=['source'], name='contact_source'),
        ),
        migrations.AddIndex(
            model_name='note',
            index=models.Index(fields=['contact', '-at', '-id'], name='note_newest'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(condition=models.Q(('released_at', None)), fields=['contact'], name='suppression_contact'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(fields=['-created_at', '-id'], name='suppression_newest'),
        ),
        migrations.AddConstraint(
            model_name='suppression',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('value', ''), _negated=True), ('contact__isnull', False), _connector='OR'), name='suppression_names_somebody'),
        ),
        migrations.AddConstraint(
            model_name='suppression',
            constraint=models.UniqueConstraint(condition=models.Q(('released_at', None), models.Q(('value', ''), _negated=True)), fields=('value', 'channel', 'scope', 'scope_value', 'reason'), name='one_suppression_in_force'),
        ),
    ]
