"""A campaign may start at a time of each person's own clock, and say how fast it sends."""

import django.core.validators
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0022_leave_a_part_out'),
        ('contacts', '0040_find_questions_by_sender'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='local_date',
            field=models.DateField(blank=True, help_text='With the time below: each person gets it when their own clock shows that. Empty: all at one moment.', null=True, verbose_name='starts on, where each person is'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='local_time',
            field=models.TimeField(blank=True, null=True, verbose_name='starts at, where each person is'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='per_minute',
            field=models.PositiveIntegerField(blank=True, help_text='At most so many of this campaign leave each minute. Empty: as fast as its sender may.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(60000)], verbose_name='messages a minute'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='spread_hours',
            field=models.PositiveSmallIntegerField(blank=True, help_text='First messages are spread evenly over so many hours, from when each person may get it.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(72)], verbose_name='spread over (hours)'),
        ),
        migrations.AlterField(
            model_name='campaign',
            name='starts_at',
            field=models.DateTimeField(blank=True, help_text='Empty: as soon as it is launched. Of one that starts at local times: the earliest of them.', null=True),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('local_date', None), ('local_time', None)), models.Q(('local_date__isnull', False), ('local_time__isnull', False), ('starts_at__isnull', False)), _connector='OR'), name='local_start_has_both', violation_error_message='Give the day and the time where each person is, or neither.'),
        ),
    ]
