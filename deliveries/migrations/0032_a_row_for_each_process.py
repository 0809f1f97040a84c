"""Every process that works has a heartbeat of its own. How far looking for drift has come stands apart from them."""

from django.db import migrations, models

STEP = "drift"


def keep_the_bookmark(apps, schema_editor):
    apps.get_model("deliveries", "Bookmark").objects.bulk_create(
        apps.get_model("deliveries", "Bookmark")(name=row.name, at=row.at, detail=row.detail)
        for row in apps.get_model("deliveries", "Heartbeat").objects.filter(name=STEP)
    )


def put_it_back(apps, schema_editor):
    apps.get_model("deliveries", "Heartbeat").objects.bulk_create(
        apps.get_model("deliveries", "Heartbeat")(name=row.name, at=row.at, detail=row.detail)
        for row in apps.get_model("deliveries", "Bookmark").objects.filter(name=STEP)
    )


def leave_room(apps, schema_editor):
    """As the table had it before: its rows are updated in place."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE deliveries_heartbeat SET (fillfactor = 80)")


class Migration(migrations.Migration):

    dependencies = [
        ('deliveries', '0031_vacuum_what_is_busy'),
    ]

    operations = [
        migrations.CreateModel(
            name='Bookmark',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(help_text='When it last came to the end.')),
                ('detail', models.JSONField(default=dict)),
            ],
        ),
        migrations.RunPython(keep_the_bookmark, put_it_back),
        migrations.DeleteModel(name='Heartbeat'),
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=100)),
                ('pid', models.PositiveIntegerField(verbose_name='process id')),
                ('roles', models.CharField(blank=True, help_text='Empty: single steps, which make no role whole.', max_length=40)),
                ('started_at', models.DateTimeField()),
                ('at', models.DateTimeField(verbose_name='last sign')),
                ('step', models.CharField(blank=True, help_text='What it was at then. Empty: it waits for a task.', max_length=20)),
                ('done', models.PositiveBigIntegerField(default=0, help_text='Rows of work since it started.')),
            ],
            options={
                'verbose_name': 'worker status',
                'verbose_name_plural': 'worker status',
                'constraints': [models.UniqueConstraint(fields=('host', 'pid'), name='one_heartbeat_for_a_process')],
            },
        ),
        migrations.RunPython(leave_room, migrations.RunPython.noop),
    ]
