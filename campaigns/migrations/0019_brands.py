"""Brands, and one to begin with: every sender's, with the domains that their addresses are of."""

import django.db.models.deletion
from django.db import migrations, models

import campaigns.models.brands

NAME = "Our brand"


def make_brand(apps, schema_editor):
    alias = schema_editor.connection.alias
    senders = apps.get_model("campaigns", "Sender").objects.using(alias)
    addresses = senders.filter(channel="email").values_list("value", flat=True)
    brand, _ = (
        apps.get_model("campaigns", "Brand")
        .objects.using(alias)
        .get_or_create(
            is_default=True,
            defaults={"name": NAME, "domains": sorted({one.rpartition("@")[2].lower() for one in addresses})},
        )
    )
    senders.filter(brand=None).update(brand=brand)


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0018_know_who_edits_a_draft'),
    ]

    operations = [
        migrations.CreateModel(
            name='Brand',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(error_messages={'unique': 'Name: there is a brand of this name already; change that one instead.'}, help_text='As people know you: messages should name it.', max_length=80, unique=True)),
                ('domains', models.JSONField(blank=True, default=list, help_text='Web and mail domains of your own, such as ["example.com"]; names below them count as well.', validators=[campaigns.models.brands.domains_only])),
                ('is_default', models.BooleanField(default=False, editable=False, help_text='New senders belong to it unless they say otherwise.', verbose_name='default')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_brand', violation_error_message='Default: another brand is the default; make this one the default instead.')],
            },
        ),
        migrations.AddField(
            model_name='sender',
            name='brand',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='senders', to='campaigns.brand'),
        ),
        migrations.RunPython(make_brand, migrations.RunPython.noop),
    ]
