"""An opt-out that nobody said is withdrawn in the ledger of consent. So far it was followed by an opt-in that nobody
said either; those become withdrawals."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q

CORRECTION, TAKEN_BACK = "Correction", "Correction taken back"


def withdraw(apps, schema_editor):
    Consent = apps.get_model("contacts", "Consent")
    invented = Q(how=CORRECTION, opted_in=True) | Q(how=TAKEN_BACK, opted_in=False)
    pairs = Consent.objects.filter(invented).values_list("contact_id", "channel").distinct()
    for contact, channel in list(pairs):
        noes, withdrawal, mistake = [], None, None
        for row in Consent.objects.filter(contact=contact, channel=channel).order_by("id"):
            if row.how == CORRECTION and row.opted_in and noes:
                *others, mistake = noes
                Consent.objects.filter(pk=row.pk).update(opted_in=False, withdraws=mistake)
                Consent.objects.bulk_create(copy(row, opted_in=False, withdraws=other) for other in others)
                withdrawal, noes = row, []
            elif row.how == TAKEN_BACK and withdrawal:
                Consent.objects.filter(pk=row.pk).update(withdraws=withdrawal)
                noes = [mistake]
            elif not row.opted_in:
                noes.append(row)
            elif row.origin == "recipient":
                noes = [no for no in noes if no.at > row.at]
    check_now(schema_editor)


def copy(row, **changes):
    """One that withdraws another no: those that stood were all found to be none, and each has its own withdrawal."""
    names = ("contact_id", "channel", "at", "how", "origin", "wording", "evidence", "recorded_by_id")
    return type(row)(**{name: getattr(row, name) for name in names}, **changes)


def opt_in_again(apps, schema_editor):
    """Where nobody ever opted in, the opt-out holds again: rather one text too few."""
    rows = apps.get_model("contacts", "Consent").objects
    yes = rows.filter(contact=OuterRef("contact"), channel=OuterRef("channel"), opted_in=True, id__lt=OuterRef("id"))
    pks = list(rows.filter(Exists(yes), how=CORRECTION, withdraws__isnull=False).values_list("pk", flat=True))
    for at in range(0, len(pks), 500):
        rows.filter(pk__in=pks[at : at + 500]).update(opted_in=True)
    check_now(schema_editor)


def check_now(schema_editor):
    """PostgreSQL alters no table of which it has something left to check at the end."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0013_tell_the_persons_word_apart")]

    operations = [
        migrations.AddField(
            "consent",
            "withdraws",
            models.ForeignKey(
                blank=True,
                null=True,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="withdrawn_by",
                to="contacts.consent",
                help_text=(
                    "The row of this contact and channel that was a mistake: it counts as if it had not been said."
                ),
            ),
        ),
        migrations.RunPython(withdraw, opt_in_again),
        migrations.AddIndex(
            "consent",
            models.Index(
                fields=["withdraws"], name="consent_withdrawn", condition=Q(withdraws__isnull=False)
            ),
        ),
    ]
