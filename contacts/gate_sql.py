"""The gate's checks of a person and their address, said once more in SQL: a million people cannot be asked one by one.

`REASONS` in `contacts/gate.py` is what counts: `tests/deliveries/sending/test_twin_at_random.py` asks both
about people at random. What depends on the campaign or on the hour is not here, and the gate itself still has the last
word at handover.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from django.db import connection

from contacts import drawing
from contacts.blocking import SQL_BLOCKS, sql_values
from contacts.channels import IMPOSSIBLE_LINES, Channel, strike_limit
from contacts.consent_ledger import sql_latest
from contacts.gate import Reason
from contacts.opt_ins import sql_awaited

# What a statement with `sql_reason` has to join, beside a contact `c` and its address `a`.
SQL_JOINS = f"""{SQL_BLOCKS}
LEFT JOIN contacts_addresshealth h ON h.address_id = a.id AND h.channel = %(channel)s"""

# What stands between an opt-out and the want of a consent in the gate's order. Said twice in REASON, so that consent
# is looked up once for each.
FAULTS = """WHEN a.validity = 'needs_correction' OR h.marked_at IS NOT NULL THEN '{needs_correction}'
    WHEN a.validity = 'invalid' THEN '{invalid_address}'
    WHEN h.closed = 'number' THEN '{not_in_service}'
    WHEN h.closed <> '' OR a.line_type IN ({lines}) THEN '{wrong_line}'
    WHEN by_address.match_key IS NOT NULL OR by_contact.contact_id IS NOT NULL THEN '{suppressed}'"""

REASON = """CASE
    WHEN {left_out} THEN '{excluded}'
    WHEN a.id IS NULL THEN '{no_address}'
    WHEN coalesce(by_address.asked, 0) + coalesce(by_contact.asked, 0) > 0 THEN '{opted_out}'
    ELSE CASE {consent}
      WHEN {no} THEN '{opted_out}'
      WHEN {yes} THEN CASE {faults} WHEN {awaited} THEN '{not_confirmed}'
        WHEN h.hard_fails >= coalesce(nullif(h.enough, 0), %(strikes)s) THEN '{hard_fails}'
        WHEN {held_out} THEN '{hold_out}' ELSE '' END
      ELSE CASE {faults} WHEN {awaited} THEN '{not_confirmed}' ELSE '{no_consent}' END END END"""
REASON = REASON.replace("{faults}", FAULTS)

DETAIL = (
    "CASE WHEN h.closed <> '' THEN h.closed_why WHEN a.line_type IN ({lines}) THEN a.line_type ELSE '' END"
)

NAMED = (
    Reason.EXCLUDED, Reason.NO_ADDRESS, Reason.OPTED_OUT, Reason.NEEDS_CORRECTION, Reason.INVALID_ADDRESS,
    Reason.NOT_IN_SERVICE, Reason.WRONG_LINE, Reason.SUPPRESSED, Reason.NOT_CONFIRMED, Reason.NO_CONSENT,
    Reason.HARD_FAILS, Reason.HOLD_OUT,
)  # fmt: skip


class Choice(NamedTuple):
    """Which people a campaign chose. `lists`: None for a campaign without any; `excluded`: those that it leaves out;
    `hold_out`: per cent that get nothing."""

    campaign_id: int = 0
    lists: Collection[int] | None = ()
    excluded: Collection[int] = ()
    hold_out: int = 0


ANYBODY = Choice()
NEVER = "1 = 0"


def sql_reason(channel: str, choice: Choice = ANYBODY) -> str:
    """An expression: the first reason that stops whoever the row is about, in the gate's order; '' for none. Asks for
    `low` and `high` as well, the range of contacts, where lists are left out."""
    postgres = connection.vendor == "postgresql"
    return REASON.format(
        lines=_lines(channel),
        consent=sql_latest(channel),
        awaited=sql_awaited(choice.lists, channel) or NEVER,
        left_out=_sql_on(choice.excluded) if choice.excluded else NEVER,
        held_out=f"{drawing.sql_place(choice.campaign_id, drawing.HOLD_OUT)} < {choice.hold_out}"
        if choice.hold_out
        else NEVER,
        no="false" if postgres else "0",
        yes="true" if postgres else "1",
        **{reason.value: reason.value for reason in NAMED},
    )


def _sql_on(lists: Collection[int]) -> str:
    # Not correlated: the members of the range are read once.
    return f"""c.id IN (SELECT x.contact_id FROM contacts_listmembership x
      WHERE x.contact_list_id IN ({", ".join(map(str, sorted(lists)))})
        AND x.contact_id > %(low)s AND x.contact_id <= %(high)s)"""  # noqa: S608 - our own numbers


def sql_detail(channel: str) -> str:
    """An expression: why a number cannot take the channel, as reported, or a value of `LineType`; '' where it can."""
    return DETAIL.format(lines=_lines(channel))


def sql_gate_values(channel: str, sender: str, strikes: int) -> dict[str, Any]:
    """What these expressions ask for, beside `now`. `strikes` is the playbook's number."""
    return {**sql_values(channel, sender), "strikes": strike_limit(channel, strikes)}


def _lines(channel: str) -> str:
    """The lines that cannot take it, as a list of SQL; one that is no line's where all can."""
    return ", ".join(f"'{line}'" for line in sorted(IMPOSSIBLE_LINES[Channel(channel)])) or "''"
