from django.db import migrations

# Of the imports that can still be undone it is known whom they added.
FILL = """UPDATE contacts_contact SET first_import_id = (
    SELECT min(i.contact_import_id) FROM contacts_importedcontact i WHERE i.contact_id = contacts_contact.id AND i.added
) WHERE id IN (SELECT contact_id FROM contacts_importedcontact WHERE added)"""


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0028_imports_that_brought_people'),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
