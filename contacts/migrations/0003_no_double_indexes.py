"""Drop indexes whose columns another index of the same table begins with: they only made writing slower.

Only the indexes are dropped: altering the fields would make SQLite rebuild whole tables, and forget the triggers of the search.
"""

import django.db.models.deletion
from django.db import migrations, models

DOUBLE = (
    ("contacts_address_contact_id_fdd5054b", "contacts_address", "contact_id"),
    ("contacts_addresshealth_address_id_418abc5e", "contacts_addresshealth", "address_id"),
    ("contacts_consent_contact_id_e3883c86", "contacts_consent", "contact_id"),
    ("contacts_contact_source_id_375d5137", "contacts_contact", "source_id"),
    ("contacts_listmembership_contact_list_id_c8f53961", "contacts_listmembership", "contact_list_id"),
    ("contacts_note_contact_id_13551131", "contacts_note", "contact_id"),
)


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_search")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {index}",
                    f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})",
                )
                for index, table, column in DOUBLE
            ],
            state_operations=[
                migrations.AlterField(
                    "address",
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="addresses",
                        to="contacts.contact",
                    ),
                ),
                migrations.AlterField(
                    "addresshealth",
                    "address",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="health",
                        to="contacts.address",
                    ),
                ),
                migrations.AlterField(
                    "consent",
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="consents",
                        to="contacts.contact",
                    ),
                ),
                migrations.AlterField(
                    "contact",
                    "source",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        db_index=False,
                        help_text="The list that first brought this contact in; outcomes are reported by it.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sourced",
                        to="contacts.contactlist",
                    ),
                ),
                migrations.AlterField(
                    "listmembership",
                    "contact_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="memberships",
                        to="contacts.contactlist",
                    ),
                ),
                migrations.AlterField(
                    "note",
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        db_index=False,
                        related_name="notes",
                        to="contacts.contact",
                    ),
                ),
            ],
        ),
    ]
