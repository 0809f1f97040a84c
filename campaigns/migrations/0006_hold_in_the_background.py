from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0005_keep_playbooks_in_bounds'),
        ('contacts', '0008_fold_names'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='outbox_to',
            field=models.BigIntegerField(editable=False, help_text='What waits is being held or let go: messages up to this id are. Empty: all of them are.', null=True),
        ),
        migrations.AddIndex(
            model_name='campaign',
            index=models.Index(condition=models.Q(('outbox_to__isnull', False)), fields=['id'], name='campaign_outbox'),
        ),
    ]
