"""What no form refused so far is brought within the bounds that forms hold to from now on.

Strikes of 0 stopped everybody at the gate, and hours beyond two weeks were cut off by the end of every attempt.
"""

import django.core.validators
from django.db import migrations, models

import campaigns.models

HOURS = ("retry_window_hours", "retry_after_hours", "at_risk_hours", "switch_after_hours", "give_up_hours")
LONGEST = 336


def bring_in(apps, schema_editor):
    """Decisions name the version they followed, so what changes is a new one."""
    for playbook in apps.get_model("campaigns", "Playbook").objects.using(schema_editor.connection.alias):
        changed = {
            name: min(max(1, getattr(playbook, name)), LONGEST)
            for name in HOURS
            if not 1 <= getattr(playbook, name) <= LONGEST
        }
        if playbook.strikes < 1:
            changed["strikes"] = 1
        for name, value in changed.items():
            setattr(playbook, name, value)
        if changed:
            playbook.version += 1
            playbook.save(update_fields=[*changed, "version"])


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0004_say_what_is_missing'),
    ]

    operations = [
        migrations.RunPython(bring_in, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='playbook',
            name='at_risk_hours',
            field=models.PositiveSmallIntegerField(default=24, help_text='Delayed or silent for longer is flagged at risk.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='give_up_hours',
            field=models.PositiveSmallIntegerField(default=72, help_text='Silent for longer counts as timed out: unknown, not failed.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='retry_after_hours',
            field=models.PositiveSmallIntegerField(default=4, help_text='Pause before each retry.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='retry_window_hours',
            field=models.PositiveSmallIntegerField(default=24, help_text='Counted from the first attempt.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='strikes',
            field=models.PositiveSmallIntegerField(default=3, help_text='Permanent failures in a row that suppress the address on that channel.', validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='switch_after_hours',
            field=models.PositiveSmallIntegerField(default=48, help_text='Not delivered after this long moves to the next channel.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='switch_to',
            field=models.JSONField(blank=True, default=list, help_text='Channels in order of preference.', validators=[campaigns.models.channels_only]),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='urgent_switch_to',
            field=models.JSONField(blank=True, default=list, help_text='The same, for urgent campaigns.', validators=[campaigns.models.channels_only]),
        ),
    ]
