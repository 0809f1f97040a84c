from django.db import migrations


def unshare(apps, schema_editor):
    """What is searched for may be somebody's number: such a view is its owner's alone."""
    apps.get_model("deliveries", "SavedView").objects.filter(shared=True, filters__has_key="s").update(
        shared=False
    )


class Migration(migrations.Migration):
    dependencies = [("deliveries", "0077_name_the_notices_of_alerts")]

    operations = [migrations.RunPython(unshare, migrations.RunPython.noop, elidable=True)]
