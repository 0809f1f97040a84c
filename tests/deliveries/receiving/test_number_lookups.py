"""Looking up numbers: off by default, its cost said before, one question for a number, and what answers mean."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from contacts.models import Address
from deliveries.models import Account, LookupRun
from deliveries.providers.kit.client import HttpAnswer
from deliveries.providers.number_lookup import SERVICES, AskLater, Denied, understood
from deliveries.receiving.number_lookups import LookupOff, estimate, run, start, stop
from tests import factories
from tests.deliveries.providers.handing import Played

# Answers as the two providers document them (Twilio Lookup v2, Line Type Intelligence; Telnyx Number Lookup, carrier).
TWILIO = {
    "calling_country_code": "1", "country_code": "US", "phone_number": "+12125550142",
    "national_format": "(212) 555-0142", "valid": True, "validation_errors": [],
    "caller_name": None, "sim_swap": None, "call_forwarding": None,
    "line_type_intelligence": {
        "carrier_name": "T-Mobile USA, Inc.", "error_code": None, "mobile_country_code": "310",
        "mobile_network_code": "260", "type": "mobile",
    },
    "url": "https://lookups.twilio.com/v2/PhoneNumbers/+12125550142",
}  # fmt: skip
TELNYX = {"data": {
    "record_type": "number_lookup", "country_code": "US", "national_format": "(212) 555-0142",
    "phone_number": "+12125550142", "fraud": None, "caller_name": None,
    "carrier": {
        "error_code": None, "mobile_country_code": "", "mobile_network_code": "", "name": "PACIFIC BELL",
        "normalized_carrier": "AT&T", "type": "fixed line",
    },
    "portability": {"lrn": "2125550199", "ported_status": "N", "line_type": "", "spid_carrier_name": ""},
}}  # fmt: skip


def twilio(**line):
    return answer(200, TWILIO | {"line_type_intelligence": line})


def answer(status, body=None, **headers):
    return HttpAnswer(status, headers, json.dumps(body or {}).encode())


@pytest.mark.once
@pytest.mark.parametrize(
    ("service", "given", "told"),
    [
        ("twilio", answer(200, TWILIO), ("310260", "T-Mobile USA, Inc.", "mobile")),
        ("twilio", twilio(type="nonFixedVoip", carrier_name="Bandwidth"), ("", "Bandwidth", "voip")),
        ("twilio", answer(200, TWILIO | {"valid": False, "line_type_intelligence": None}), ("", "", "")),
        ("twilio", twilio(type="unknown", error_code=60600), ("", "", "")),
        ("twilio", answer(404, {"code": 20404}), ("", "", "")),
        ("telnyx", answer(200, TELNYX), ("", "AT&T", "landline")),
        ("telnyx", answer(200, {"data": {}}), ("", "", "")),
        ("telnyx", answer(422, {"errors": []}), ("", "", "")),
    ],
)  # fmt: skip
def test_what_an_answer_says(service, given, told):
    assert understood(SERVICES[service], given) == told


@pytest.mark.once
@pytest.mark.parametrize(
    ("status", "raised"),
    [(401, Denied), (403, Denied), (402, Denied), (429, AskLater), (500, AskLater), (503, AskLater)],
)
def test_what_is_no_answer_waits_or_stops(status, raised):
    with pytest.raises(raised):
        understood(SERVICES["twilio"], answer(status))


# ---- A run -------------------------------------------------------------------------------------------------------


@pytest.fixture
def on(settings, db):
    settings.NUMBER_LOOKUP, settings.NUMBER_LOOKUP_CENTS_PER_1000 = "twilio", 800
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "secret"})


@pytest.fixture
def members(db):
    made = factories.contact_list()
    for n in range(20):
        contact = factories.contact(lists=[made])
        factories.phone(contact, value=f"+1212555{n:04d}", line_type="fixed_or_mobile")
        factories.email(contact)
    return made


def asked_of(provider=lambda request: httpx.Response(200, json=TWILIO)):
    """A maker of clients whose requests are kept in its `seen`."""
    seen = []

    def played(request):
        seen.append(request)
        return provider(request)

    def make():
        return Played(played)

    make.seen = seen
    return make


def begun(members, now, admin):
    return start(members, now - timedelta(days=90), admin, now)


def test_it_is_off_by_default(members, make_user, now):
    with pytest.raises(LookupOff, match="NUMBER_LOOKUP names no service"):
        begun(members, now, make_user("admin"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"NUMBER_LOOKUP_CENTS_PER_1000": 0}, "What a look-up costs is not known"),
        ({"NUMBER_LOOKUP": "telnyx"}, "needs an active account of telnyx"),
    ],
)
def test_without_a_price_or_an_account_nothing_begins(on, settings, members, make_user, now, changes, why):
    for name, value in changes.items():
        setattr(settings, name, value)

    with pytest.raises(LookupOff, match=why):
        begun(members, now, make_user("admin"))


def test_the_cost_is_that_of_each_number_once_rounded_up(on, members, now):
    factories.phone(factories.contact(lists=[members]), value="+12125550003")  # of two people
    factories.phone(factories.contact(lists=[members]), value="+12125550777", validity="invalid")
    Address.objects.filter(value="+12125550005").update(line_type_at=now)

    will = estimate(members, now - timedelta(days=90))

    assert (will.numbers, will.dollars) == (19, "0.16")


def test_a_run_asks_about_each_number_once_and_keeps_what_is_said(on, members, make_user, now):
    begun(members, now, make_user("admin"))
    make = asked_of()

    while run(now, make):
        pass

    done = LookupRun.objects.get()
    assert (done.state, done.total, done.asked, done.found) == ("done", 20, 20, 20)
    assert [str(request.url) for request in make.seen] == [
        f"https://lookups.twilio.com/v2/PhoneNumbers/%2B1212555{n:04d}?Fields=line_type_intelligence"
        for n in range(20)
    ]
    assert make.seen[0].headers["authorization"].startswith("Basic ")
    address = Address.objects.get(value="+12125550007")
    assert (address.line_type, address.carrier, address.network) == ("mobile", "T-Mobile USA, Inc.", "310260")
    assert (address.line_type_source, address.line_type_at) == ("looked up with Twilio Lookup", now)


def test_a_limit_makes_it_wait_and_asks_again_from_there(on, members, make_user, now):
    begun(members, now, make_user("admin"))
    calls = iter(range(100))

    def limited(request):
        return (
            httpx.Response(429, headers={"retry-after": "30"})
            if next(calls) == 3
            else httpx.Response(200, json=TWILIO)
        )

    assert run(now, asked_of(limited)) == 7
    assert run(now + timedelta(seconds=29), asked_of()) == 0
    make = asked_of()
    assert run(now + timedelta(seconds=30), make) == 8

    found = LookupRun.objects.get()
    assert (found.asked, found.state) == (15, "running")
    again = [str(request.url).split("?")[0][-4:] for request in make.seen]
    assert again == [
        "0003",
        *(f"{n:04d}" for n in range(8, 15)),
    ]  # what was answered behind it is known by now


def test_a_refused_account_stops_it_with_the_reason(on, members, make_user, now):
    begun(members, now, make_user("admin"))

    run(now, asked_of(lambda request: httpx.Response(401)))

    found = LookupRun.objects.get()
    assert (found.state, found.why) == ("stopped", "Twilio Lookup refused the account (HTTP 401).")
    assert run(now + timedelta(days=1), asked_of()) == 0


def test_a_provider_that_does_not_answer_is_left_after_ten_rounds(on, members, make_user, now):
    begun(members, now, make_user("admin"))

    for hours in range(12):
        run(now + timedelta(hours=hours), asked_of(lambda request: httpx.Response(503)))

    found = LookupRun.objects.get()
    assert (found.state, found.asked, found.failures) == ("stopped", 0, 10)


def test_what_is_stopped_by_hand_asks_nothing_more(on, members, make_user, now):
    started = begun(members, now, make_user("admin"))
    run(now, asked_of())

    assert stop(started, now)
    assert not stop(started, now)

    make = asked_of()
    assert run(now + timedelta(days=1), make) == 0
    assert not make.seen


def test_a_list_is_looked_up_by_one_run_at_a_time(on, members, make_user, now):
    begun(members, now, make_user("admin"))

    with pytest.raises(LookupOff, match="already"):
        begun(members, now, make_user("admin"))


def test_an_account_that_is_gone_stops_it(on, members, make_user, now):
    begun(members, now, make_user("admin"))
    Account.objects.update(active=False)

    run(now, asked_of())

    assert LookupRun.objects.get().state == "stopped"


# ---- The page ----------------------------------------------------------------------------------------------------

URL = "/contacts/lookups/"


def test_the_page_says_that_it_is_off(login, members):
    page = login("admin").get(URL).content.decode()

    assert "Looking up numbers is off" in page
    assert "Show what it costs" not in page


def test_the_cost_is_said_before_and_the_button_names_it(login, on, members, django_assert_max_num_queries):
    client = login("admin")

    with django_assert_max_num_queries(16):
        page = " ".join(client.get(URL, {"contact_list": members.pk, "months": 3}).content.decode().split())

    assert "20 numbers at Twilio Lookup: about 0.16 US dollars" in page
    assert "Look up 20 for 0.16 dollars" in page
    assert not LookupRun.objects.exists()


def test_an_administrator_begins_and_stops_it(login, on, members):
    client = login("admin")

    client.post(f"{URL}begin/", {"contact_list": members.pk, "months": 3})
    started = LookupRun.objects.get()
    page = client.get(URL).content.decode()
    client.post(f"{URL}{started.pk}/stop/")

    assert str(members) in page
    assert LookupRun.objects.get().state == "stopped"


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_nobody_else_may(login, on, members, role):
    client = login(role)

    assert client.get(URL).status_code == 403
    assert client.post(f"{URL}begin/", {"contact_list": members.pk, "months": 3}).status_code == 403
    assert not LookupRun.objects.exists()


@pytest.mark.parametrize(
    "given", [{}, {"contact_list": "x", "months": 3}, {"contact_list": 10**30, "months": "no"}]
)
def test_bad_input_begins_nothing(login, on, members, given):
    client = login("admin")

    assert client.get(URL, given).status_code == 200
    assert client.post(f"{URL}begin/", given).status_code == 302
    assert not LookupRun.objects.exists()
