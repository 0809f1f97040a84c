"""What earlier replies ask for, by the words in force as this is run.

What somebody read, and what is older than a month, was answered or is past being answered: it counts as done, and is
found under its kind. The rest is work that waits, as a reply that comes in now is.
"""

from datetime import timedelta

from django.db import migrations
from django.utils import timezone

from contacts.reply_asks import asks_for

PAST = timedelta(days=30)
AT_A_TIME = 500


def fill(apps, schema_editor):
    replies = apps.get_model("contacts", "Reply").objects.using(schema_editor.connection.alias)
    now, last = timezone.now(), 0
    without = replies.filter(asks="").only("text", "reading", "at", "read_at", "done_at").order_by("pk")
    while found := list(without.filter(pk__gt=last)[:AT_A_TIME]):
        last = found[-1].pk
        changed = [one for one in found if _ask(one, now)]
        replies.bulk_update(changed, ["asks", "done_at"])


def _ask(one, now):
    """Whether it asks for something, which it then says."""
    asks = asks_for(one.text)
    # Whoever wants nothing more from us asks nothing of us either; that it is somebody else is worth knowing.
    if not asks or (one.reading == "stop" and asks != "wrong"):
        return False
    one.asks = asks
    if one.read_at or one.at < now - PAST:
        one.done_at = one.read_at or now
    return True


class Migration(migrations.Migration):
    dependencies = [("contacts", "0050_erase_lines_of_files")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
