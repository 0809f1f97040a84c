from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0007_web_addresses_only'),
    ]

    operations = [
        migrations.AddField(
            model_name='recipient',
            name='read_anew_at',
            field=models.DateTimeField(blank=True, help_text='When a corrected code changed what an old attempt means: nothing is sent by itself for that one.', null=True),
        ),
    ]
