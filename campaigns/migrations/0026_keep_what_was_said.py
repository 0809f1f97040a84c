"""Keep what messages leave with: of what was launched, the wording of today is the oldest that is known."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def keep_what_is_said(apps, schema_editor):
    contents = apps.get_model("campaigns", "Content").objects.exclude(campaign__state="draft")
    version = apps.get_model("campaigns", "ContentVersion")
    version.objects.bulk_create(
        (
            version(
                content=content, number=content.version, sender_id=content.sender_id, subject=content.subject,
                body=content.body, media_url=content.media_url,
                made_at=content.campaign.launched_at or content.campaign.created_at,
            )
            for content in contents.select_related("campaign").iterator()
        ),
        batch_size=1_000,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0025_count_clicks'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ContentVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('subject', models.CharField(blank=True, max_length=200)),
                ('body', models.TextField()),
                ('media_url', models.URLField(blank=True)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('content', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='campaigns.content')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('sender', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='campaigns.sender')),
            ],
            options={
                'ordering': ['number'],
                'constraints': [models.UniqueConstraint(fields=('content', 'number'), name='one_content_version')],
            },
        ),
        migrations.RunPython(keep_what_is_said, migrations.RunPython.noop),
    ]
