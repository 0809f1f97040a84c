"""Tell a person's own yes from that of a colleague or a file, and let a block follow the person to other addresses."""

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

import contacts.models

TAKEN_OVER = (
    "channel", "scope", "scope_value", "reason", "origin", "evidence", "created_at", "created_by_id", "expires_at",
)  # fmt: skip
WRITTEN = 1_000


def say_whose(apps, schema_editor):
    """Whatever was not brought by a file, or entered without any evidence, is taken for the person's own word."""
    consents, now = apps.get_model("contacts", "Consent").objects, timezone.now()
    consents.filter(opted_in=True, evidence__startswith="Import into ").update(origin="import")
    consents.filter(opted_in=True, evidence="", recorded_by__isnull=False).update(origin="staff")
    consents.filter(at__gt=now).update(at=now)  # nobody says anything in the future
    apps.get_model("contacts", "Suppression").objects.filter(created_at__gt=now).update(created_at=now)
    check_now(schema_editor)


def extend_to_addresses(apps, schema_editor):
    """What blocks a whole contact blocks their addresses, as it does from now on."""
    Suppression, Address = (apps.get_model("contacts", name) for name in ("Suppression", "Address"))
    whole = Suppression.objects.filter(value="", released_at=None)
    made = []
    for block in whole.order_by("pk").iterator(WRITTEN):
        for address in Address.objects.filter(contact=block.contact_id).exclude(validity="invalid"):
            kind = "email" if block.channel == "email" else "phone"
            if not block.channel or kind == address.kind:
                made.append(
                    Suppression(
                        value=address.value,
                        match_key=address.match_key,
                        contact_id=block.contact_id,
                        follows_id=block.pk,
                        fact=f"follows {block.pk}",
                        **{name: getattr(block, name) for name in TAKEN_OVER},
                    )
                )
    Suppression.objects.bulk_create(made, ignore_conflicts=True, batch_size=WRITTEN)
    check_now(schema_editor)


def forget_extended(apps, schema_editor):
    apps.get_model("contacts", "Suppression").objects.filter(follows__isnull=False).delete()
    check_now(schema_editor)


def check_now(schema_editor):
    """PostgreSQL alters no table of which it has something left to check at the end."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0012_replies_to_read'),
    ]

    operations = [
        migrations.AddField(
            model_name='consent',
            name='origin',
            field=models.CharField(choices=[('recipient', "The person's own word, with evidence"), ('staff', 'Staff'), ('import', 'Import')], default='recipient', max_length=12),
        ),
        migrations.AddField(
            model_name='suppression',
            name='follows',
            field=models.ForeignKey(blank=True, help_text='The suppression that this one extends to another address of the same person, and ends with.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='followers', to='contacts.suppression'),
        ),
        migrations.AlterField(
            model_name='suppression',
            name='contact',
            field=models.ForeignKey(blank=True, null=True, on_delete=contacts.models.keep_blocks_of_addresses, related_name='suppressions', to='contacts.contact'),
        ),
        migrations.RunPython(say_whose, migrations.RunPython.noop),
        migrations.RunPython(extend_to_addresses, forget_extended),
    ]
