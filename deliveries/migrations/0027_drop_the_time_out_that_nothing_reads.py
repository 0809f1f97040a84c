"""When a message times out is for its playbook to say, at every look: nothing read this column."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0026_name_tables_in_plain_words'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='message',
            name='confirm_by',
        ),
    ]
