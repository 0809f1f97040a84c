"""The composer's last section, Check: each check with how it went, and who can do something about it."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from django.urls import reverse

from accounts.models import User
from accounts.roles import roles_with
from campaigns.models import CheckOverride
from dashboard.campaigns.views import may_follow
from deliveries.sending.check_table import CheckRow, Verdict, table
from deliveries.sending.checks import CheckFinding, Draft, FixLink
from deliveries.wording import listed

# By verdict: the colour, the icon, the word beside it, and how many are counted in which words.
LOOKS: dict[Verdict, tuple[str, str, str]] = {
    "blocks": ("permanent", "permanent", "In the way"),
    "warns": ("retryable", "warning", "Worth a look"),
    "passes": ("success", "success", "Passed"),
}
COUNTED: dict[Verdict, str] = {"blocks": "in the way", "warns": "to look at", "passes": "passed"}


class LinkedFinding(NamedTuple):
    """A finding with the link that the reader may follow, else who can do it: "Administrators can do this.".

    `accepted` is the override of the warning; `accept_url` leads to one that it waits for, for whoever may give it.
    """

    finding: CheckFinding
    way: FixLink | None
    who: str
    accepted: CheckOverride | None
    waits: bool
    accept_url: str


class CheckLine(NamedTuple):
    """A row of the table."""

    row: CheckRow
    bucket: str
    icon: str
    word: str
    found: list[LinkedFinding]


def check_context(draft: Draft, user: User) -> dict[str, Any]:
    """`looked` are the checks that found something, `passed` the names of the others."""
    rows = table(draft)
    counts = Counter(row.verdict for row in rows)
    return {
        "looked": [_looked(row, draft.campaign.slug, user) for row in rows if row.findings],
        "passed": [row.title for row in rows if not row.findings],
        "check_counts": [
            (LOOKS[one][0], LOOKS[one][1], f"{counts[one]} {words}")
            for one, words in COUNTED.items()
            if counts[one]
        ],
        "in_the_way": counts["blocks"],
        "to_look_at": counts["warns"],
    }


def _looked(row: CheckRow, slug: str, user: User) -> CheckLine:
    url = (
        reverse("campaigns:override", args=[slug, row.key])
        if user.has_perm("campaigns.add_checkoverride")
        else ""
    )
    found = [_found(one, row, user, url) for one in sorted(row.findings, key=lambda one: not one.blocks)]
    return CheckLine(row, *LOOKS[row.verdict], found)


def _found(finding: CheckFinding, row: CheckRow, user: User, accept_url: str) -> LinkedFinding:
    way = may_follow(user, finding.way)
    needed = "" if finding.way is None else finding.way.changes or finding.way.needs
    others = roles_with(needed) if needed and not (way and user.has_perm(needed)) else []
    words = f"{listed([f'{one}s' for one in others], 'or')} can do this." if others else ""
    waits = finding in row.held
    return LinkedFinding(
        finding, way, words, row.accepted.get(finding.says), waits, accept_url if waits else ""
    )
