"""A table of prices, with examples: about what providers list, to be replaced by what a contract says."""

import django.core.validators
import django.utils.timezone
from django.db import migrations, models

EXAMPLES = [
    ("sms", "US", "0.0083"), ("sms", "CA", "0.0083"), ("sms", "GB", "0.05"), ("sms", "AU", "0.05"),
    ("mms", "US", "0.02"), ("mms", "CA", "0.02"),
    ("voice", "US", "0.014"), ("voice", "CA", "0.014"),
    ("rvm", "US", "0.02"),
    ("email", "", "0.001"),
]  # fmt: skip


def add_examples(apps, schema_editor):
    price = apps.get_model("campaigns", "Price")
    price.objects.bulk_create(
        price(channel=channel, country=country, amount=amount, is_example=True)
        for channel, country, amount in EXAMPLES
    )


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0029_say_who_unguards'),
    ]

    operations = [
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('sms', 'SMS'), ('mms', 'MMS'), ('voice', 'Voice'), ('rvm', 'Ringless voicemail'), ('email', 'Email')], max_length=8)),
                ('country', models.CharField(blank=True, help_text='Two capitals, such as US. Empty: every country without a line of its own.', max_length=2, validators=[django.core.validators.RegexValidator('^[A-Z]{2}$', 'Two capitals, such as US; empty for every other country.')])),
                ('sender_kind', models.CharField(blank=True, choices=[('', 'Any sender'), ('long_code_us', 'US or Canadian number'), ('long_code', 'Number outside of the USA and Canada'), ('toll_free', 'Toll-free number'), ('short_code', 'Short code'), ('alphanumeric', 'Name')], max_length=16, verbose_name='sender')),
                ('amount', models.DecimalField(decimal_places=5, help_text="Of a segment by SMS, of a minute by voice, of a message otherwise; with the carriers' fees.", max_digits=10, validators=[django.core.validators.MinValueValidator(0)])),
                ('currency', models.CharField(default='USD', max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}$', 'Three capitals, such as USD.')])),
                ('is_example', models.BooleanField(default=False, editable=False, help_text='Nobody has compared it with the contract yet.', verbose_name='example')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'ordering': ['channel', 'country', 'sender_kind'],
                'constraints': [models.UniqueConstraint(fields=('channel', 'country', 'sender_kind'), name='one_price', violation_error_message='There is such a price already: change that one.')],
            },
        ),
        migrations.RunPython(add_examples, migrations.RunPython.noop),
    ]
