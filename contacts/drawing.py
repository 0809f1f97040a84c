"""A share of people drawn by a number: the same people every time, others for every campaign, alike here and in SQL.

Both calculate in whole numbers below 2^62, which neither database rounds or refuses.
"""

from __future__ import annotations

PRIME = 2_147_483_647  # 2^31 - 1
# Multipliers of known generators modulo this prime: Park and Miller (1988), L'Ecuyer (1988).
BY_PERSON, BY_CAMPAIGN = 48_271, 40_692
HOLD_OUT, SAMPLE = 1, 2  # what is drawn: whoever is in the one is in the other by chance only


def place(contact_id: int, campaign_id: int, what: int) -> int:
    """Where the person stands, 0..99: a share of n per cent are those below n, so a greater share has them all."""
    once = (contact_id * BY_PERSON + _start(campaign_id, what)) % PRIME
    twice = (once * once + once) % PRIME
    return (twice * twice + once) % PRIME % 100


def sql_place(campaign_id: int, what: int, contact: str = "c.id") -> str:
    """The same as an expression; `contact` names the column of the contact's id. For a statement with values."""
    once = f"(({contact} * {BY_PERSON} + {_start(campaign_id, what)}) %% {PRIME})"
    twice = f"(({once} * {once} + {once}) %% {PRIME})"
    return f"(({twice} * {twice} + {once}) %% {PRIME} %% 100)"


def _start(campaign_id: int, what: int) -> int:
    return (campaign_id * BY_CAMPAIGN * 7 + what * 1_000_003) % PRIME
