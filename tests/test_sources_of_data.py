"""What we know from others stands in tables: each row says where it can be looked up, or that it is ours."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLES = [
    "campaigns/content_rules.csv",
    "campaigns/opt_out_lines.csv",
    "deliveries/providers/mail_dns.csv",
    "deliveries/receiving/machines.csv",
]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_names_an_address_where_it_can_be_looked_up(table):
    with (ROOT / table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert rows
    assert [row for row in rows if not re.search(r"https://[a-z]|^Ours: ", row["source"])] == []
