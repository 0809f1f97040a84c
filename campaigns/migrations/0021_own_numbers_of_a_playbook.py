"""Busy, no answer and mailbox full have numbers of their own, and a campaign may have a playbook of its own."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


def keep_what_they_do(apps, schema_editor):
    """Campaigns go on as they did: a playbook that any follows retries these as it retries everything else."""
    db = schema_editor.connection.alias
    if not apps.get_model("campaigns", "Campaign").objects.using(db).exists():
        return
    for playbook in apps.get_model("campaigns", "Playbook").objects.using(db):
        playbook.busy_retries = playbook.no_answer_retries = playbook.mailbox_full_retries = playbook.retries
        playbook.busy_after_minutes = min(playbook.retry_after_hours * 60, 24 * 60)
        playbook.no_answer_after_hours = playbook.mailbox_full_after_hours = playbook.retry_after_hours
        playbook.save()


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0020_every_sender_has_a_brand'),
    ]

    operations = [
        migrations.AddField(
            model_name='playbook',
            name='busy_after_minutes',
            field=models.PositiveSmallIntegerField(default=30, help_text='Whoever talks is soon free again.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1440)], verbose_name='busy: minutes between retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='busy_retries',
            field=models.PositiveSmallIntegerField(default=2, help_text='How often it is retried.', validators=[django.core.validators.MaxValueValidator(20)], verbose_name='busy: retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='mailbox_full_after_hours',
            field=models.PositiveSmallIntegerField(default=8, help_text='Of email and of voicemail: somebody has to empty it.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)], verbose_name='mailbox full: hours between retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='mailbox_full_retries',
            field=models.PositiveSmallIntegerField(default=2, help_text='How often it is retried.', validators=[django.core.validators.MaxValueValidator(20)], verbose_name='mailbox full: retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='no_answer_after_hours',
            field=models.PositiveSmallIntegerField(default=4, help_text='At another time of the day.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)], verbose_name='no answer: hours between retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='no_answer_retries',
            field=models.PositiveSmallIntegerField(default=2, help_text='How often it is retried.', validators=[django.core.validators.MaxValueValidator(20)], verbose_name='no answer: retries'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='own_of',
            field=models.OneToOneField(blank=True, editable=False, help_text='The one campaign that follows it; empty: any may.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='own_playbook', to='campaigns.campaign'),
        ),
        migrations.AddField(
            model_name='playbook',
            name='began_from',
            field=models.ForeignKey(blank=True, editable=False, help_text='The shared one that it was copied from.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='campaigns.playbook'),
        ),
        migrations.AlterField(
            model_name='campaign',
            name='playbook',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='campaigns', to='campaigns.playbook'),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='name',
            field=models.CharField(max_length=80),
        ),
        migrations.AlterField(
            model_name='playbook',
            name='retries',
            field=models.PositiveSmallIntegerField(default=2, help_text='How often a temporary failure is retried.', validators=[django.core.validators.MaxValueValidator(20)]),
        ),
        migrations.AddConstraint(
            model_name='playbook',
            constraint=models.UniqueConstraint(condition=models.Q(('own_of', None)), fields=('name',), name='one_shared_playbook_of_a_name', violation_error_message='Another playbook has this name: choose another.'),
        ),
        migrations.RunPython(keep_what_they_do, migrations.RunPython.noop, elidable=True),
    ]
