
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0014_set_failing_work_aside'),
    ]

    operations = [
        migrations.AlterField(
            model_name='outbox',
            name='held',
            field=models.CharField(blank=True, help_text='Why it waits: a reason of contacts/gate.py, or a word of sending/dispatch.py.', max_length=24),
        ),
        migrations.AddIndex(
            model_name='outbox',
            index=models.Index(fields=['campaign_id', 'message'], name='outbox_campaign'),
        ),
    ]
