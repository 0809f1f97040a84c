"""Tests of campaigns say whose details they have. Of earlier ones nobody knows it: their words go."""

from django.conf import settings
from django.db import migrations, models


def forget_words_of_earlier_tests(apps, schema_editor):
    answers = apps.get_model("contacts", "AutomaticAnswer").objects.filter(kind="test")
    answers.exclude(state__in=["waiting", "sending"]).update(subject="", text="", html="", media_url="")


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0046_find_replies_by_message"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="automaticanswer",
            name="person_id",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="Of a test: the contact whose details it says; 0 of anything else.",
            ),
        ),
        migrations.AddIndex(
            model_name="automaticanswer",
            index=models.Index(
                condition=models.Q(("kind", "test")), fields=["person_id"], name="answer_test_of_person"
            ),
        ),
        migrations.RunPython(forget_words_of_earlier_tests, migrations.RunPython.noop),
    ]
