from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("contacts", "0016_keep_when_a_block_did_not_hold")]

    operations = [
        migrations.AddIndex(
            model_name="replytoread",
            index=models.Index(
                condition=models.Q(("read_at__isnull", False)), fields=["match_key"], name="reply_judged"
            ),
        ),
    ]
