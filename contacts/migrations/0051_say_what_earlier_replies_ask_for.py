"""What earlier replies ask for, by the words in force as this is run.

Only those of a month that nobody has read: these are work that waits, as a reply that comes in now is. What somebody
read, and what is older, was answered or is past being answered, and stays without a kind. A few hundred at a time, each
in a statement of its own, so that no row is kept locked while the others are read; run again it goes on.
"""

from datetime import timedelta

from django.db import migrations
from django.utils import timezone

PAST = timedelta(days=30)
AT_A_TIME = 500


def fill(apps, schema_editor):
    replies = apps.get_model("contacts", "Reply").objects.using(schema_editor.connection.alias)
    last = 0
    waiting = replies.filter(asks="", read_at=None, at__gte=timezone.now() - PAST)
    while found := list(waiting.filter(pk__gt=last).order_by("pk").only("text", "reading")[:AT_A_TIME]):
        last = found[-1].pk
        kinds = {one.pk: _kind(one) for one in found}
        for kind in set(kinds.values()) - {""}:
            waiting.filter(pk__in=[pk for pk, its in kinds.items() if its == kind]).update(asks=kind)


def _kind(one):
    """What it asks for; '' for nothing."""
    from contacts.reply_asks import asks_for  # only where there are replies: a new database needs no words

    asks = asks_for(one.text)
    # Whoever wants nothing more from us asks nothing of us either; that it is somebody else is worth knowing.
    return asks if asks == "wrong" or one.reading != "stop" else ""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0050_erase_lines_of_files")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
