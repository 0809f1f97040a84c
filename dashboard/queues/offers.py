"""What the filters of lists over all campaigns offer."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from deliveries.models import CodeTally, DayTally
from deliveries.outcomes.filter_choices import NAMED, NAMELESS, Offer, Offered
from deliveries.outcomes.narrowing import NOBODY

OFFERED = 300  # carriers, lists and codes in a select: nobody reads through more
RECENT = timedelta(days=30)  # carriers seen since then are offered as a filter


def offers() -> Offered:
    """What was seen of late: over all campaigns there is no tally of exactly these. Seven queries."""
    since = timezone.now().date() - RECENT
    carriers = (
        DayTally.objects.filter(day__gte=since, n__gt=0)
        .exclude(disposition="")
        .order_by("carrier")
        .values_list("carrier", flat=True)
        .distinct()
    )
    sent = CodeTally.objects.filter(n__gt=0).exclude(
        disposition=""
    )  # the words for what we withdrew are no codes
    codes = sent.order_by("reason_code").values_list("reason_code", flat=True).distinct()
    known = {
        "carrier": [Offer(one or NOBODY, one or NAMELESS["carrier"]) for one in carriers[:OFFERED]],
        "code": [Offer(one or NOBODY, one or NAMELESS["code"]) for one in codes[:OFFERED]],
        "attempt": [Offer(str(n), f"Attempt {n}") for n in range(1, 6)],
    }
    named = {
        name: table._default_manager.values_list("pk", column) for name, (table, column) in NAMED.items()
    }
    offered = {name: [Offer(str(pk), words) for pk, words in rows[:OFFERED]] for name, rows in named.items()}
    return known | offered
