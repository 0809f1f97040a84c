from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0076_saved_views")]

    operations = [
        migrations.RemoveIndex("alert", "alert_untold"),
        migrations.RenameField("alert", "told_at", "noticed_at"),
        migrations.AlterField(
            "alert",
            "noticed_at",
            models.DateTimeField(help_text="When its notices were written down.", null=True),
        ),
        migrations.AddIndex(
            "alert",
            models.Index(
                condition=models.Q(noticed_at=None, raised_at__isnull=False),
                fields=["id"],
                name="alert_without_notices",
            ),
        ),
    ]
