import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0019_brands'),
    ]

    operations = [
        migrations.AlterField(
            model_name='sender',
            name='brand',
            field=models.ForeignKey(blank=True, help_text='Empty: the default brand.', on_delete=django.db.models.deletion.PROTECT, related_name='senders', to='campaigns.brand'),
        ),
    ]
