"""People who were on a list before it asked: who of them is asked, once, and what the figures of the list say."""

from __future__ import annotations

import re
from html import unescape

import pytest

from contacts import opt_ins
from contacts.asking_members import Members, answered, ask_members, members
from contacts.consenting import record_opt_out
from contacts.models import AutomaticAnswer, DoubleOptIn
from contacts.suppressing import suppress
from tests import factories
from tests.deliveries.sending.test_double_opt_in import (  # noqa: F401 - fixtures
    DAY,
    HOUR,
    OURS,
    account,
    asks,
    carrier,
    joins,
    replies,
    verdict,
)
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def club(now, account):  # noqa: F811
    """A list that asks by text since an hour, with people from before."""
    made = factories.contact_list(name="Club")
    opt_ins.change(made, "sms", OURS, now - HOUR)
    return made


@pytest.fixture
def asking(club):
    return DoubleOptIn.objects.get(contact_list=club)


@pytest.fixture
def people(club, now):
    """Of before: two without proof, one who said no, one whose number is blocked by their own word, one without a
    number."""
    found = {name: joins(club, now - DAY, name=name) for name in ("Ada", "Bea", "Cem", "Dee", "Eve")}
    said_no, blocked = (found[name].addresses.get(kind="phone").value for name in ("Cem", "Dee"))
    record_opt_out(value=said_no, channel="sms", how="Reply", evidence="STOP", at=now - DAY)
    suppress(value=blocked, channel="sms", reason="stop", origin="recipient", now=now - DAY)
    found["Eve"].addresses.filter(kind="phone").delete()
    return found


def test_only_those_without_proof_who_never_said_no_are_asked_and_once(people, club, asking, now, carrier):  # noqa: F811
    assert members(asking, now) == Members(people=5, refused=2, confirmed=0, unreachable=1, asked=0, left=2)
    asks(now)
    assert carrier.sent == []  # nobody of before, until a colleague wants it

    ask_members(asking, now, leave_out=False)
    for later in range(3):
        asks(now + later * 7 * HOUR)

    theirs = {people[name].addresses.get(kind="phone").value for name in ("Ada", "Bea")}
    assert sorted(one.to for one in carrier.sent) == sorted(theirs)
    assert members(asking, now) == Members(people=5, refused=2, confirmed=0, unreachable=1, asked=2, left=0)


def test_in_the_night_nobody_is_asked(people, club, asking, now, carrier):  # noqa: F811
    night = now + 12 * HOUR  # midnight in New York, 9 in the evening in Los Angeles
    ask_members(asking, night, leave_out=False)

    asks(night)

    assert carrier.sent == []
    assert AutomaticAnswer.objects.filter(state="waiting").count() == 2


@pytest.mark.parametrize("leave_out", [False, True])
def test_they_go_on_unless_they_are_to_be_left_out(people, club, asking, now, leave_out):
    consent(people["Ada"], "sms", at=now - DAY)
    ask_members(asking, now, leave_out=leave_out)

    reason = verdict(people["Ada"], club, "sms", now).reason

    assert (reason == "not_confirmed") == leave_out


def test_the_figures_open_their_people(people, club, asking, now, carrier, account, login):  # noqa: F811
    ask_members(asking, now, leave_out=False)
    asks(now)
    replies(people["Ada"], account, "YES", now + HOUR)
    assert answered(asking)[:3] == (2, 1, 0)
    record_opt_out(
        value=people["Bea"].addresses.get(kind="phone").value, channel="sms", how="Reply", evidence="STOP",
        at=now + 2 * HOUR,
    )  # fmt: skip
    assert answered(asking)[:3] == (2, 1, 1)
    assert answered(asking).silent == 0

    client = login("marketer")
    page = client.get(f"/contacts/lists/{club.pk}/").content.decode()
    found = re.findall(r'<a href="([^"]+answer=sms-[^"]+)">(\d+)</a>', page)
    assert [n for _, n in found] == ["2", "1", "1"]
    for (url, n), names in zip(found, [{"Ada", "Bea"}, {"Ada"}, {"Bea"}], strict=True):
        rows = client.get(unescape(url)).content.decode()
        assert {name for name in people if f">{name}<" in rows} == names, url
        assert len(names) == int(n)


def test_the_page_counts_asks_and_refuses_what_has_changed(people, club, asking, now, login):
    client, page = login("marketer"), f"/contacts/lists/{club.pk}/ask/"
    shown = client.get(page).content.decode()
    assert "Ask 2 people" in shown

    client.post(page, {"channel": "sms", "seen": 3})
    asking.refresh_from_db()
    assert asking.asks_from is None

    client.post(page, {"channel": "sms", "seen": 2, "leave_out": "on"})
    asking.refresh_from_db()
    assert asking.asks_from is not None
    assert asking.since == asking.asks_from
    assert login("support").get(page).status_code == 403


def test_a_list_that_asks_nobody_says_so(login):
    made = factories.contact_list(name="Silent")

    assert (
        "This list asks nobody" in login("marketer").get(f"/contacts/lists/{made.pk}/ask/").content.decode()
    )
