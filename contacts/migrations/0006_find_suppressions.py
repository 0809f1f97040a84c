"""Index what the admin looks for among suppressions: an address whether released or not, a reason, a state."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0005_say_what_is_missing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(fields=['value'], name='suppression_value'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(fields=['reason', '-created_at', '-id'], name='suppression_reason'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(condition=models.Q(('released_at', None)), fields=['-created_at', '-id'], name='suppression_standing'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(condition=models.Q(('released_at__isnull', False)), fields=['-created_at', '-id'], name='suppression_released'),
        ),
        migrations.AddIndex(
            model_name='suppression',
            index=models.Index(condition=models.Q(('expires_at__isnull', False), ('released_at', None)), fields=['expires_at'], name='suppression_ending'),
        ),
    ]
