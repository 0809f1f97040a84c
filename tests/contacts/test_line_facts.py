"""What is told of a number's line: the newer fact wins, and none is replaced by something vaguer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from contacts.line_facts import LineFact, carrier_of, keep
from contacts.models import Address
from tests import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
NUMBER = "+12125550142"


def fact(at=NOW, **told):
    return LineFact(NUMBER, at, "reported by Main", **told)


def line(address):
    address.refresh_from_db()
    return address.line_type, address.carrier, address.network


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [  # (line type, carrier, network): as it is on record since yesterday, what is told now, and what is on record then
        (("unknown", "", ""), {"line_type": "mobile", "carrier": "Verizon"}, ("mobile", "Verizon", "")),
        (("fixed_or_mobile", "", ""), {"line_type": "landline"}, ("landline", "", "")),
        (("mobile", "", ""), {"line_type": "landline"}, ("landline", "", "")),
        (("landline", "", ""), {"line_type": "fixed_or_mobile"}, ("landline", "", "")),
        (("landline", "", ""), {"line_type": "unknown"}, ("landline", "", "")),
        (("mobile", "Verizon", ""), {}, ("mobile", "Verizon", "")),
        (("mobile", "Verizon", ""), {"carrier": "T-Mobile"}, ("mobile", "T-Mobile", "")),
        (("mobile", "", ""), {"network": "310260"}, ("mobile", "T-Mobile", "310260")),
        (("mobile", "Verizon", ""), {"network": "310260"}, ("mobile", "T-Mobile", "310260")),
        (("mobile", "Corner Cellular", ""), {"network": "310999"}, ("mobile", "Corner Cellular", "")),
        (("mobile", "T-Mobile", "310260"), {"network": "310999"}, ("mobile", "", "310999")),
        (("mobile", "", ""), {"network": "310999"}, ("mobile", "", "310999")),
        (("mobile", "", ""), {"network": "310260", "carrier": "A brand"}, ("mobile", "A brand", "310260")),
    ],
)
def test_what_is_newer_replaces_what_is_no_vaguer(before, told, after):
    line_type, carrier, network = before
    address = factories.phone(
        value=NUMBER, line_type=line_type, carrier=carrier, network=network,
        line_type_at=NOW - DAY, carrier_at=NOW - DAY,
    )  # fmt: skip

    keep([fact(**told)])

    assert line(address) == after


def test_what_is_older_than_what_is_known_changes_nothing():
    address = factories.phone(
        value=NUMBER, line_type="mobile", carrier="Verizon", line_type_at=NOW, carrier_at=NOW
    )

    changed = keep([fact(NOW - DAY, line_type="landline", carrier="AT&T"), fact(NOW, line_type="voip")])

    assert (changed, *line(address)) == (0, "mobile", "Verizon", "")


def test_it_says_who_told_it_and_when():
    address = factories.phone(value=NUMBER, line_type="unknown")

    assert keep([fact(line_type="mobile")]) == 1

    address.refresh_from_db()
    assert (address.line_type_source, address.line_type_at) == ("reported by Main", NOW)
    assert (address.carrier_source, address.carrier_at) == ("", None)


def test_every_contact_with_the_number_gets_it_and_nobody_else():
    theirs = [factories.phone(value=NUMBER, line_type="unknown") for _ in range(3)]
    other = factories.phone(value="+12125550143", line_type="unknown")

    assert keep([fact(line_type="voip")]) == 3

    assert {line(one)[0] for one in theirs} == {"voip"}
    assert line(other)[0] == "unknown"


def test_the_order_in_which_facts_come_does_not_matter():
    facts = [
        fact(NOW, line_type="landline", carrier="AT&T"),
        fact(NOW + DAY, line_type="mobile"),
        fact(NOW + 2 * DAY, network="310260"),
        fact(NOW + 3 * DAY, line_type="unknown"),
    ]
    ends = set()
    for order in permutations(facts):
        Address.objects.all().delete()
        address = factories.phone(value=NUMBER, line_type="unknown")
        for one in order:
            keep([one])
        ends.add(line(address))

    assert ends == {("mobile", "T-Mobile", "310260")}


def test_the_same_again_is_written_once_a_day():
    factories.phone(value=NUMBER, line_type="unknown")

    hourly = [keep([fact(NOW + timedelta(hours=n), line_type="mobile")]) for n in range(30)]

    assert sum(hourly) == 2


def test_many_facts_cost_a_handful_of_queries(django_assert_max_num_queries):
    numbers = [factories.phone(line_type="unknown").match_key for _ in range(90)]
    facts = [LineFact(number, NOW, "x", line_type="mobile") for number in numbers]

    with django_assert_max_num_queries(5):
        assert keep(facts) == 90
    with django_assert_max_num_queries(4):
        assert keep(facts) == 0


def test_networks_are_listed_by_their_number():
    assert [carrier_of(each) for each in ("310260", "26201", "99999", "")] == ["T-Mobile", "Telekom", "", ""]


def test_the_contact_says_what_was_told_and_by_whom(login):
    address = factories.phone(value=NUMBER, line_type="unknown")
    keep([fact(line_type="voip", network="310260")])

    page = " ".join(login("support").get(f"/contacts/{address.contact_id}/").content.decode().split())

    for words in ("VoIP", "T-Mobile", "reported by Main, ", "network 310260"):
        assert words in page
