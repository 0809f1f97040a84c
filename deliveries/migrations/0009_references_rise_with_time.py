from django.db import migrations, models

import deliveries.references


class Migration(migrations.Migration):
    """The default is Python's alone: nothing changes in the database, and SQLite need not write its table anew."""

    dependencies = [
        ('deliveries', '0008_plain_names'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='message',
                    name='uuid',
                    field=models.UUIDField(default=deliveries.references.new_reference, help_text='Our reference, in every callback address.', unique=True),
                ),
            ],
        ),
    ]
