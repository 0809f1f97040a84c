"""The pages of senders: who sees them, who changes what, and that nothing wrong is kept."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from campaigns.models import Brand, Registration, Sender
from deliveries.models import CallbackTest, CarrierTally, DomainCheck
from tests import factories

pytestmark = pytest.mark.django_db
Kind, State = Registration.Kind, Registration.State


@pytest.fixture
def sender():
    made = factories.sender(name="Clinic texts", value="+12125550142", state=Sender.State.NOT_REGISTERED)
    Registration.objects.create(sender=made, kind=Kind.BRAND, country="US", changed_at=made.created_at)
    return made


def page(client, name, *args, **query):
    return client.get(reverse(f"senders:{name}", args=args), query).content.decode()


def words(text):
    return " ".join(re.sub("<[^>]+>", "", text).split())


def register(sender, kind, country=""):
    """The form of one registration, as the page of its sender links to it."""
    named = {"kind": str(kind)} | ({"country": country} if country else {})
    return f"{reverse('senders:registration', args=[sender.pk])}?{urlencode(named)}"


ONLY_ADMINISTRATORS = ["new", "settings", "state", "registration", "new_brand", "brand", "default_brand"]
ALL_OF_THEM = [*ONLY_ADMINISTRATORS, "ask", "dns", "test_receiving", "list", "sender", "brands", "receiving"]
WITHOUT_A_ROW = {"new", "new_brand", "list", "brands", "receiving"}


@pytest.mark.parametrize("name", ALL_OF_THEM)
@pytest.mark.parametrize("role", ["", "support", "marketer", "admin"])
def test_who_may_open_what(login, sender, name, role):
    pks = {
        "brand": sender.brand_id,
        "default_brand": sender.brand_id,
        "test_receiving": factories.account().pk,
    }
    url = reverse(f"senders:{name}", args=[] if name in WITHOUT_A_ROW else [pks.get(name, sender.pk)])
    acts = {"ask", "dns", "test_receiving", "default_brand"}
    may = {
        "": False,
        "support": name not in ONLY_ADMINISTRATORS and name not in acts,
        "marketer": name not in ONLY_ADMINISTRATORS,
        "admin": True,
    }[role]

    client = login(role)
    answer = client.post(url) if name in acts else client.get(url)

    refused = {403} if not may else {200, 302, 404}  # the DNS of a number is no page
    assert answer.status_code in refused
    assert name in acts or client.post(url, {}).status_code in ({403} if not may else {405, 422})


def test_the_list_says_what_is_missing_and_how_it_did(login, sender):
    text = page(login("marketer"), "list")

    assert "Clinic texts" in text
    assert "10DLC brand (US): needed; 10DLC campaign (US): needed" in text
    assert "New sender" not in text


def test_the_list_takes_the_same_queries_for_many(login, sender, django_assert_max_num_queries):
    client = login("marketer")
    client.get(reverse("senders:list"))
    for _ in range(5):
        factories.content(factories.campaign())

    with django_assert_max_num_queries(18):
        client.get(reverse("senders:list"))


def test_an_administrator_enters_what_was_decided_and_it_may_send(login, sender):
    client = login("admin")
    for kind in (Kind.BRAND, Kind.CAMPAIGN):
        fields = {
            "state": "approved", "reference": "C1", "submitted_on": "2026-01-05", "decided_on": "2026-01-20",
            "expires_on": "", "note": "",
        }  # fmt: skip
        answer = client.post(register(sender, kind, "US"), fields)
        assert answer.status_code == 302

    sender.refresh_from_db()
    text = page(client, "sender", sender.pk)
    assert sender.may_send
    assert "10DLC brand and 10DLC campaign for US: in order." in text
    assert client.user.display_name in text
    assert sender.registrations.count() == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"country": "USA"}, "two letters"),
        ({"country": "1!"}, "two letters, such as US"),
        ({"decided_on": "2025-01-01"}, "decided before it was submitted"),
        ({"expires_on": "2026-01-01"}, "ends before it was decided"),
        ({"carrier": ""}, "Say which carrier"),
        ({"state": "granted"}, "granted"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(login, sender, wrong, sentence):
    fields = {
        "country": "US", "carrier": "AT&T", "state": "approved", "submitted_on": "2026-01-05",
        "decided_on": "2026-01-20",
    }  # fmt: skip

    answer = login("admin").post(register(sender, Kind.CARRIER), fields | wrong)

    assert answer.status_code == 422
    if sentence != "two letters":  # the field takes two letters only
        assert sentence in answer.content.decode()
    assert not sender.registrations.filter(kind=Kind.CARRIER).exists()


def test_what_a_registration_is_about_is_chosen_first_and_not_asked_again(login, sender):
    client = login("admin")

    choice = page(client, "registration", sender.pk)
    named = page(client, "registration", sender.pk, kind="campaign_10dlc", country="US", carrier="AT&T")
    open_ = page(client, "registration", sender.pk, kind="carrier", country="<b>")

    assert re.findall(r'href="\?([^"]+)"', choice) == ["kind=carrier"]  # the rest stands in its checklist
    assert asked(named) == ["state", "reference", "submitted_on", "decided_on", "expires_on", "note"]
    assert "10DLC campaign (US)" in named
    assert asked(open_)[:2] == ["country", "carrier"]


def test_a_marketer_asks_and_cannot_approve(login, sender):
    client = login("marketer")
    given = {
        "kind": Kind.CAMPAIGN,
        "country": "US",
        "carrier": "",
        "note": "For the autumn",
        "state": "approved",
    }

    asked = client.post(reverse("senders:ask", args=[sender.pk]), given, follow=True).content.decode()
    again = client.post(reverse("senders:ask", args=[sender.pk]), given, follow=True).content.decode()
    none = client.post(reverse("senders:ask", args=[sender.pk]), {"kind": "x"}, follow=True).content.decode()

    row = sender.registrations.get(kind=Kind.CAMPAIGN)
    sender.refresh_from_db()
    assert (row.state, row.note, sender.may_send) == ("submitted", "For the autumn", False)
    assert "An administrator enters what comes of it" in asked
    assert "there is nothing to ask for" in again
    assert "has no such line" in none


def test_the_state_is_set_with_a_reason_and_taken_back(login, sender):
    client, url = login("admin"), reverse("senders:state", args=[sender.pk])

    without = client.post(url, {"state": "approved", "reason": " "})
    client.post(url, {"state": "approved", "reason": "Agreed by phone."})
    sender.refresh_from_db()
    held = (sender.state, sender.state_reason)
    text = page(client, "sender", sender.pk)
    client.post(url, {"state": "follows", "reason": ""})

    sender.refresh_from_db()
    assert without.status_code == 422
    assert held == ("approved", "Agreed by phone.")
    assert "Somebody has set its state: Agreed by phone." in text
    assert (sender.state, sender.state_reason) == ("not_registered", "")


def asked(text):
    """The names of the fields of the form, in order."""
    form = re.search(r'<form class="form" method="post">.*?</form>', text, re.S).group()
    return re.findall(r'<(?:input type="(?!hidden)|select|textarea)[^>]*?name="(\w+)"', form)


def add(client, kind, **fields):
    return client.post(f"{reverse('senders:new')}?kind={kind}", fields)


def test_a_new_sender_is_not_approved_and_one_of_mail_has_its_dns_asked(login):
    client = login("admin")

    text = add(client, "number", name="Texts", channel="sms", value="(212) 555-0142", state="approved")
    mail = add(
        client, "email", name="Mail", value="Hello@Example.com", dkim_selectors="s1, s2", channel="sms"
    )
    wrong = add(client, "email", name="Other", value="hello", dkim_selectors="a b/c")

    one, other = Sender.objects.get(name="Texts"), Sender.objects.get(name="Mail")
    assert (text.status_code, mail.status_code, wrong.status_code) == (302, 302, 422)
    assert (one.value, one.state, one.registrations.count()) == ("+12125550142", "not_registered", 2)
    assert (other.state, other.dkim_selectors, other.brand) == (
        "not_needed",
        "s1 s2",
        Brand.objects.default(),
    )
    assert DomainCheck.objects.get().asked_at is not None
    assert "is no selector" in wrong.content.decode()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("number", ["channel", "value", "name"]),
        ("short_code", ["channel", "value", "country", "name"]),
        ("alphanumeric", ["value", "country", "name"]),
        ("email", ["value", "name", "dkim_selectors", "warm_up_from"]),
        ("call", ["value", "name"]),
    ],
)
def test_a_new_sender_is_asked_for_what_its_kind_has(login, kind, fields):
    client = login("admin")

    assert f"?kind={kind}" in page(client, "new")
    assert asked(page(client, "new", kind=kind)) == fields


def test_a_sender_of_another_kind_or_twice_is_refused_and_a_country_begins_its_checklist(login):
    client = login("admin")

    code = add(client, "number", name="Code", channel="sms", value="12345")
    made = add(client, "alphanumeric", name="Us", value="ACME", country="gb")
    twice = add(client, "alphanumeric", name="Us again", value="ACME", country="DE")

    sender = Sender.objects.get()
    assert (code.status_code, made.status_code, twice.status_code) == (422, 302, 422)
    assert "choose another kind of sender" in code.content.decode()
    assert [(row.kind, row.country, row.state) for row in sender.registrations.all()] == [
        ("sender_id", "GB", "needed")
    ]
    assert sender.state == "not_registered"


def test_settings_offer_the_limits_of_its_kind_alone(login, sender):
    free = factories.sender(value="+18335550100")

    mine, others = (page(login("admin"), "settings", pk) for pk in (sender.pk, free.pk))

    offered = [
        ["10DLC, AT&amp;T class T" in text, "Toll-free, not verified" in text] for text in (mine, others)
    ]
    assert offered == [[True, False], [False, True]]


@pytest.mark.parametrize(("minutes", "asks"), [(0, True), (3, False)])
def test_what_is_asked_in_the_background_appears_by_itself_and_asking_ends(login, minutes, asks):
    client, then = login("marketer"), timezone.now() - timedelta(minutes=minutes)
    mail, account = (
        factories.sender("email", value="a@example.com"),
        factories.account("sandbox", receipt_at=None),
    )
    check = DomainCheck.objects.create(sender=mail, asked_at=then)
    test = CallbackTest.objects.create(account=account, asked_at=then)
    places = (("sender", mail.pk), ("receiving",))

    before = [page(client, *place) for place in places]
    check.found, check.asked_at, check.checked_at = [], None, then
    check.save()
    CallbackTest.objects.filter(pk=test.pk).update(arrived_at=then)
    after = [
        client.get(reverse(f"senders:{name}", args=args), headers={"HX-Request": "true"}).content.decode()
        for name, *args in places
    ]

    assert [("load delay:2s" in text, "Look again" in text) for text in before] == [(asks, True)] * 2
    assert [("load delay" in text, "<html" in text) for text in after] == [(False, False)] * 2
    assert "Arrived" in after[1]


def test_numbers_of_senders_open_what_they_count(login, sender):
    other = factories.sender(value="+12125550143", name="Elsewhere", brand=Brand.objects.create(name="Other"))

    text = page(login("marketer"), "list", brand=other.brand_id)

    assert "Elsewhere" in text
    assert "Clinic texts" not in text
    assert f"?brand={other.brand_id}" in page(login("admin"), "brands")


def test_the_page_shows_the_record_to_add(login):
    sender = factories.sender("email", value="a@example.com", state="not_needed")
    found = {
        "what": "dmarc", "state": "missing", "says": "example.com has no DMARC record.", "way_out": "Add this record.",
        "name": "_dmarc.example.com", "record": "v=DMARC1; p=none", "current": "",
    }  # fmt: skip
    DomainCheck.objects.create(sender=sender, checked_at=sender.created_at, found=[found])

    text = page(login("marketer"), "sender", sender.pk)

    assert "v=DMARC1; p=none" in text
    assert "_dmarc.example.com" in text


def test_settings_keep_the_address_and_brands_are_edited_with_their_domains(login, sender):
    client = login("admin")

    client.post(reverse("senders:settings", args=[sender.pk]), {"name": "New name", "value": "+19995550100"})
    client.post(reverse("senders:new_brand"), {"name": "Acme", "domains": "Acme.example\nshop.test"})
    wrong = client.post(reverse("senders:new_brand"), {"name": "Bad", "domains": "https://acme.example/"})
    brand = Brand.objects.get(name="Acme")
    client.post(reverse("senders:default_brand", args=[brand.pk]))

    sender.refresh_from_db()
    assert (sender.name, sender.value, sender.brand.name) == ("New name", "+12125550142", "Our brand")
    assert brand.domains == ["acme.example", "shop.test"]
    assert Brand.objects.default() == brand
    assert wrong.status_code == 422


def test_a_test_callback_is_asked_for_where_we_can_sign(login):
    client = login("marketer")
    ours, theirs = (factories.account(name, receipt_at=None) for name in ("sandbox", "telnyx"))

    client.post(reverse("senders:test_receiving", args=[ours.pk]))
    client.post(reverse("senders:test_receiving", args=[theirs.pk]))

    text = page(client, "receiving")
    assert [one.account for one in CallbackTest.objects.all()] == [ours]
    assert "On its way since" in text
    assert "Waiting for the first real receipt" in text


def test_the_rate_is_of_the_newest_begun_that_can_be_judged_and_what_is_ahead_is_scheduled(login):
    now, day = timezone.now(), timedelta(days=1)
    sender = factories.sender("sms")
    for name, days, delivered in (
        ("Newest", -1, 5),
        ("Later", -10, 50),
        ("Earlier", -60, 90),
        ("Ahead", 1, 0),
    ):
        made = factories.campaign(
            name=name, state="sending", starts_at=now + days * day, launched_at=now + min(days, -1) * day
        )
        factories.content(made, "sms", sender=sender)
        for disposition, n in (("DELIVERED", delivered), ("BOUNCED_HARD", 1)):
            if delivered:
                CarrierTally.objects.create(
                    campaign_id=made.pk, channel="sms", carrier="", status=disposition[:9], failure_class="",
                    disposition=disposition, n=n,
                )  # fmt: skip
    client = login("marketer")

    assert "98.0% in Later" in words(page(client, "list"))
    assert "Ahead: scheduled" in words(page(client, "sender", sender.pk))
