"""The built-in playbook: retry twice within a day, change channel after two, give up after three."""

from django.db import migrations

NAME = "Built-in"


def make_playbook(apps, schema_editor):
    playbook = apps.get_model("campaigns", "Playbook")
    playbook.objects.using(schema_editor.connection.alias).get_or_create(
        name=NAME, defaults={"switch_to": ["email"], "urgent_switch_to": ["voice", "rvm", "email"]}
    )


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]
    operations = [migrations.RunPython(make_playbook, migrations.RunPython.noop)]
