import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Recipient
from contacts import search_index, searching
from contacts.correcting import correct
from contacts.models import Address, AddressHealth, Consent, Note, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.followup import settle
from deliveries.models import Decision, Engagement, Receipt, StatusEvent
from deliveries.outcomes.finding import find
from deliveries.outcomes.reachability import side_panel
from deliveries.outcomes.trail import trail
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def elena():
    contact = factories.contact(name="Elena Moreau", external_id="CRM-77", time_zone="America/Toronto")
    factories.phone(contact, value="+12145550142")
    factories.email(contact, value="elena.moreau@example.com")
    return contact


@pytest.fixture
def others():
    # Numbers of their own: one that ends in 0142 would rightly be found as well.
    return [factories.phone(value=factories.phone_number(n)).contact for n in range(5)]


# ---- Search ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "+12145550142", "+1 214 555 0142", "(214) 555-0142", "214.555.0142", "2145550142", "0142", "142", "555-0142",
        "elena.moreau@example.com", "Elena.Moreau@Example.com", "moreau@", "Elena Moreau", "moreau", "lena mor",
        "MOREAU", "CRM-77", "crm-77", "Moreau Elena", "mor lena", "001 214 555 0142", "tel:+12145550142",
        "(214) 555-0142 ext. 4", "２１４５５５０１４２",
    ],
)  # fmt: skip
def test_a_contact_is_found_by_whatever_is_known_of_them(elena, others, text):
    assert find(text) == [elena]


@pytest.mark.parametrize(
    "text",
    ["", "  ", "42", "no", '"', "nobody at all", "%", "_____", "0142%", "\x00", '") OR ("', "Elena Nobody"],
)
def test_what_describes_nobody_finds_nobody(elena, others, text):
    assert find(text) == []


def test_exact_matches_come_first():
    part = factories.email(value="anna@example.com.au").contact
    exact = factories.email(value="anna@example.com").contact

    assert find("anna@example.com") == [exact, part]


def test_a_message_is_found_by_our_id_and_by_the_provider_s(elena, others):
    message = factories.message(
        factories.recipient(contact=elena), address=elena.addresses.first(), provider_message_id="SMabc123"
    )

    assert find(str(message.uuid)) == [elena]
    assert find("SMabc123") == [elena]


def test_a_new_name_is_found_and_the_old_one_is_not(elena):
    elena.name = "Elena Quartermaine"
    elena.save()
    Address.objects.filter(contact=elena, kind="phone").update(value="+12145550199")

    assert find("quarterm") == [elena]
    assert find("moreau") == [elena]  # still in the email
    assert find("0142") == []
    assert find("0199") == [elena]


def test_a_part_of_a_name_is_looked_up_in_the_index(elena):
    sql, values = searching.Contact.objects.filter(searching.partly("moreau")).query.sql_with_params()

    if connection.vendor == "sqlite":
        assert "contacts_folded_search MATCH" in sql
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", values)
        assert "contact_folded_trigram" in str(cursor.fetchall())


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Jörg Müller", "jorg"), ("Jörg Müller", "JÖRG muller"), ("Jorg Muller", "Jörg"), ("Zoë Çelik", "celik zoe"),
        ("Łukasz Żak", "lukasz zak"), ("Søren Ægir", "soren aegir"), ("Nguyễn Thị Ánh", "nguyen anh"),
        ("Işıl Yıldız", "isil yildiz"), ("Strauß", "strauss"), ("D’Angelo", "d'angelo"), ("Ελένη Παπά", "ελενη"),
        ("Jo\u0308rg", "jörg"),
    ],
)  # fmt: skip
def test_a_name_is_found_without_its_accents_and_with_them(others, name, typed):
    contact = factories.contact(name=name)

    assert find(typed) == [contact]


def test_a_name_that_was_corrected_or_imported_anew_is_found_as_it_is_now(others):
    contact = factories.contact(name="Jose")
    correct(contact, name="Zoë Brontë", region="US", by=None)

    assert find("bronte") == [contact]
    assert find("jose") == []


@pytest.mark.parametrize(
    "text", ["214 0142", "(214) 0142", "Elena 0142", "moreau 142", "0142 elena", "555 0142"]
)
def test_parts_of_a_number_and_of_a_name_find_the_one_who_has_both(elena, others, text):
    factories.phone(factories.contact(name="Omar Larsson"), value="+13125550142")
    factories.phone(factories.contact(name="Elena Larsson"), value="+13125550177")

    assert find(text)[0] == elena
    assert ("555" in text) == (len(find(text)) == 2)


@pytest.mark.parametrize("text", ["0142 214", "215 0142", "Omar 0142", "Elena 0199"])
def test_parts_of_which_one_is_wrong_find_nobody(elena, others, text):
    assert find(text) == []


@pytest.mark.parametrize("text", ["SMab12cd", "smab12cd", "SMAB12CD34", "SMab12cd34ef", "smab12cd34ef"])
def test_a_message_is_found_by_how_its_provider_s_id_begins(elena, others, text):
    recipient = factories.recipient(contact=elena)
    factories.message(recipient, address=elena.addresses.first(), provider_message_id="SMab12cd34ef")
    factories.message(provider_message_id="SMab99")

    assert find(text) == [elena]


@pytest.mark.parametrize("text", ["SMab1", "ab12cd", "SMab12 cd", "SMzz12cd", "%Mab12cd"])
def test_what_no_id_begins_with_finds_no_message(elena, others, text):
    recipient = factories.recipient(contact=elena)
    factories.message(recipient, address=elena.addresses.first(), provider_message_id="SMab12cd34ef")

    assert find(text) == []


def test_contacts_and_messages_are_found_by_our_own_numbers(elena, others):
    contact = factories.contact(pk=70_157)
    message = factories.message(
        factories.recipient(contact=elena), address=elena.addresses.first(), pk=70_158
    )

    assert find("70157") == find("#70157") == [contact]
    assert find(str(message.pk)) == [elena]


def test_two_digits_are_a_number_of_ours_only_behind_a_sign_and_that_is_said(login, elena, others):
    contact = factories.contact(pk=44)

    page = login("support").get("/contacts/", {"q": "44"}).content.decode()

    assert find("44") == []
    assert "or #44 for the contact or message of that id." in page
    assert find("#44") == [contact]


@pytest.mark.parametrize("typed", ["Elana", "Moreua", "Elena Moreuax", "moraeu", "Ellena"])
def test_names_written_much_like_it_are_offered_when_nobody_is_called_that(login, elena, others, typed):
    page = login("support").get("/contacts/", {"q": typed}).content.decode()

    assert "Nobody has that name." in page
    assert "exact matches first" not in page
    assert "Elena Moreau" in page


@pytest.mark.parametrize("typed", ["Xavier", "Elena Quartermaine", "zzz", '"', "el"])
def test_names_that_are_quite_another_are_not_offered(elena, others, typed):
    assert searching.alike(typed) == []


def test_whoever_may_see_whole_addresses_sees_them_in_what_is_found(login, elena):
    assert "+12145550142" in login("support").get("/contacts/", {"q": "moreau"}).content.decode()


def test_the_search_survives_a_table_that_a_migration_made_anew(elena):
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER contacts_address_search_insert")

    search_index.make()
    factories.phone(elena, value="+12145550177", preferred=False)

    assert find("0177") == [elena]


def test_too_few_letters_find_only_what_is_exactly_so_and_that_is_said(login, elena):
    page = login("support").get("/contacts/", {"q": "El"})

    assert page.status_code == 200
    assert "Type at least 3 letters or digits of it." in page.content.decode()


def test_the_search_page_masks_addresses_and_says_when_nobody_is_found(login, elena):
    client = login("marketer")

    found = client.get("/contacts/", {"q": "moreau"}).content.decode()
    nobody = client.get("/contacts/", {"q": "zzzz"}).content.decode()

    assert "+1 ••• ••• 0142" in found
    assert "+12145550142" not in found
    assert "Nobody found" in nobody


@pytest.fixture
def two_numbers(elena):
    """Elena with a second number, which nothing is sent to, and the number that she had once."""
    factories.phone(elena, value="+12148675311", preferred=False)
    factories.phone(elena, value="+12148675322", preferred=False, validity=Address.Validity.INVALID)
    return elena


@pytest.mark.parametrize(
    ("role", "path", "words"),
    [
        ("support", "?q=8675311", ["+12145550142 (preferred)", "+12148675311 (not preferred)"]),
        ("support", "{}/", ["+1 214-867-5311 (not preferred)", "+1 214-867-5322 (not preferred, invalid)"]),
        (
            "support",
            "{}/suppress/",
            ["Only +12148675311 (not preferred)", "Only elena.moreau@example.com</label>"],
        ),
        ("marketer", "?q=8675311", ["+1 ••• ••• 5311 (not preferred)"]),
        ("marketer", "{}/", ["+1 ••• ••• 0142 (preferred)", "+1 ••• ••• 5311 (not preferred)"]),
    ],
)
def test_every_address_of_a_contact_is_shown_and_which_is_used(login, two_numbers, role, path, words):
    page = login(role).get(f"/contacts/{path.format(two_numbers.pk)}").content.decode()

    shown = re.sub(r"\s+", " ", page)
    assert [one for one in words if one not in shown] == []
    whole = "+12148675311" in shown or "+1 214-867-5311" in shown
    assert whole is (role == "support")


@pytest.mark.parametrize("asked", ["person", "us"])
def test_a_number_that_is_not_preferred_can_be_suppressed_alone(login, two_numbers, asked):
    number = two_numbers.addresses.get(value="+12148675311")
    form = {"what": number.pk, "channel": "", "reason": "Asked by phone", "asked": asked}

    assert login("support").post(f"/contacts/{two_numbers.pk}/suppress/", form).status_code == 302

    assert set(Suppression.objects.values_list("value", flat=True)) == {number.value}


def test_the_number_that_is_corrected_is_the_preferred_one(login, two_numbers):
    page = login("support").get(f"/contacts/{two_numbers.pk}/correct/").content.decode()

    assert 'value="+12145550142"' in page


# ---- Trail -----------------------------------------------------------------------------------------------------


def a_story(contact, many: int = 1):
    """Messages with events, receipts and decisions; a reply, a consent, a note and a suppression each time."""
    now = timezone.now()
    address = contact.addresses.get(kind="phone")
    account, sender = factories.account("twilio"), factories.sender()
    for number in range(many):
        at = now - timedelta(hours=number)
        message = factories.message(
            factories.recipient(contact=contact), address=address, account=account, sender=sender, created_at=at,
            status=Status.UNDELIVERED, failure_class=FailureClass.TEMPORARY, fault=Fault.RECIPIENT, reason_code="30003",
        )  # fmt: skip
        receipt = factories.receipt(account, state=None, body=b"MessageStatus=undelivered&ErrorCode=30003")
        StatusEvent.objects.create(
            message_id=message.pk, fact=number, receipt_id=receipt.pk, status="undelivered", precedence=1,
            failure_class="temporary", fault="recipient", evidence="carrier", native_status="undelivered",
            native_code="30003", occurred_at=at, recorded_at=at,
        )  # fmt: skip
        for message_id in (message.pk, None):
            Decision.objects.create(
                message_id=message_id, recipient=message.recipient, contact=contact, at=at, by="playbook", rule="retry",
                rule_version=3, step="retry", reason="One more try is inside the window.",
            )  # fmt: skip
        Engagement.objects.create(contact=contact, channel="sms", kind="reply", text="Thanks", at=at)
        Consent.objects.create(contact=contact, channel="sms", opted_in=True, at=at, how="Web form")
        Note.objects.create(contact=contact, text=f"Note {number}", at=at)


def test_the_trail_tells_what_happened_why_and_what_comes_next(login, elena):
    a_story(elena)
    factories.content(Recipient.objects.get(contact=elena).campaign)
    Recipient.objects.filter(contact=elena).update(
        next_step="retry",
        next_step_at=timezone.now() + timedelta(hours=2),
        next_step_reason="The phone was off.",
    )

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "+1 214-555-0142" in page
    assert "in Toronto now" in page
    assert "Run now" in page
    assert "The phone was off." in page
    assert "Playbook rule “Retry after a temporary failure”, version 3" in page
    assert "MessageStatus=undelivered&amp;ErrorCode=30003" in page
    assert "Thanks" in page
    assert "number ending in 0142" in page


def test_whole_addresses_and_raw_receipts_need_their_permission(login, elena):
    a_story(elena)

    page = login("marketer").get(f"/contacts/{elena.pk}/").content.decode()

    assert "+12145550142" not in page
    assert "ErrorCode=30003" not in page


def test_the_trail_pages_through_every_item_once(elena):
    a_story(elena, many=14)
    seen, after = [], ""
    while True:
        found = trail(elena, list(elena.addresses.all()), after)
        seen += [(item.kind, item.pk) for day in found.days for item in day.items]
        after = found.after
        if not after:
            break

    assert len(seen) == len(set(seen)) == 14 * 5


def test_the_trail_costs_the_same_however_much_happened(
    login, elena, django_assert_num_queries, django_assert_max_num_queries
):
    client = login("support")
    a_story(elena, many=6)  # more than are read aloud, so that the earlier ones are counted
    with django_assert_max_num_queries(48) as few:
        client.get(f"/contacts/{elena.pk}/")
    a_story(elena, many=20)

    with django_assert_num_queries(len(few.captured_queries)):
        client.get(f"/contacts/{elena.pk}/")


def test_a_contact_nothing_happened_to_has_a_trail_too(login):
    contact = factories.contact()

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()

    assert "Nothing has happened yet" in page
    assert "We have not sent you anything so far." in page
    assert "No address to contact" in page


def test_reachability_shows_its_evidence(login, elena):
    address = elena.addresses.get(kind="phone")
    for status in [Status.DELIVERED] * 3 + [Status.TIMED_OUT]:
        factories.message(factories.recipient(contact=elena), address=address, status=status)

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "Delivered 3 of last 4" in page
    assert "Never tried" in page


@pytest.mark.parametrize(
    ("later", "word"),
    [
        ([], "Not reachable"),
        ([("undelivered", "temporary")], "Not reachable"),
        ([("delivered", "none")], "Reachable"),
    ],
)
def test_a_channel_that_the_carrier_does_not_take_is_not_offered(login, elena, later, word, time_machine):
    noon_in_toronto = timezone.now().replace(hour=17)  # within the permitted hours
    time_machine.move_to(noon_in_toronto, tick=False)
    address = elena.addresses.get(kind="phone")
    for status, failure_class in [("undelivered", "permanent"), *later]:
        factories.message(
            factories.recipient(contact=elena), channel="rvm", address=address, status=status,
            failure_class=failure_class, fault="none" if status == "delivered" else "carrier",
        )  # fmt: skip
    for channel in ("sms", "mms", "email"):
        Suppression.objects.create(contact=elena, channel=channel, reason="staff", origin="staff")
    Consent.objects.create(contact=elena, channel="rvm", opted_in=True, how="Web form")

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert [one.word for one in side_panel(elena, timezone.now()).channels if one.channel == "rvm"] == [word]
    usable = word == "Reachable"
    assert ("Best now: Ringless voicemail" in page) is usable
    assert ("reach you by voicemail" in page) is usable


def test_a_channel_that_was_opted_out_of_is_off_and_the_others_are_named(login, elena):
    for channel, opted_in in (("sms", True), ("email", True), ("voice", True), ("rvm", False)):
        Consent.objects.create(contact=elena, channel=channel, opted_in=opted_in, how="Web form")

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "Ringless voicemail is turned off for this contact.</strong>" in page
    assert "email are still allowed." in page
    assert "(Web form). Closes ringless voicemail." in " ".join(page.split())


def test_each_cause_names_its_channels(login, elena):
    number = elena.addresses.get(kind="phone").value
    at = datetime(2026, 10, 23, 12, tzinfo=UTC)
    for channel, reason in (("sms", "hard_fails"), ("voice", "staff")):
        Suppression.objects.create(value=number, channel=channel, reason=reason, origin="rule", created_at=at)

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "SMS and voice are turned off for this contact." in page
    page = " ".join(page.split())
    assert "Permanent failures on 23 Oct 2026. Closes SMS at +1 214-555-0142." in page
    assert "Added by staff on 23 Oct 2026. Closes voice at +1 214-555-0142." in page


def test_a_channel_that_fails_is_not_called_allowed_without_saying_so(login, elena):
    address = elena.addresses.get(kind="phone")
    Suppression.objects.create(value=address.value, channel="sms", reason="staff", origin="staff")
    Consent.objects.create(contact=elena, channel="mms", opted_in=True, how="Web form")
    AddressHealth.objects.create(address=address, channel="mms", hard_fails=1)

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "MMS is allowed, but failed permanently before." in page


# ---- Acting for one person --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ("batch 12", True), ("message 7", True), ("reply 2026-11-29T17:00:00+00:00 1a2b3c4d", False),
        ("said 2026-11-29T17:00:00+00:00", False), ("follows 3", False), ("SM0123456789abcdef", False), ("", False),
    ],
)  # fmt: skip
def test_what_only_tells_suppressions_apart_is_not_shown(login, elena, fact, shown):
    value, now = elena.addresses.get(kind="phone").value, timezone.now()
    suppress(value=value, reason="stop", origin="recipient", fact=fact, now=now)

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    side = page[page.index('<dl class="facts">') :]
    assert ("Opted out, reported by the provider" if "message" in fact else "Replied STOP") in page
    assert (bool(fact) and fact in side) is shown


@pytest.mark.parametrize("typed", ["\u0301\u0301\u0301", "\u0301 \u0302 \u0303"])
def test_accents_alone_find_nobody_and_not_everybody(elena, typed):
    assert find(typed) == []
    assert not Address.objects.filter(searching.partly(typed, "contact_id")).exists()


def test_each_choice_of_a_form_is_a_group_with_a_name_and_its_help(login, elena):
    page = login("support").get(f"/contacts/{elena.pk}/suppress/").content.decode()

    assert re.findall(r"<legend>(.*?)</legend>", page) == ["What to suppress", "Who wants it"]
    assert re.search(
        r'<fieldset aria-describedby="(\w+)">.*?<span class="help" id="\1">What the person', page, re.S
    )
    assert 'for=""' not in page


def test_suppressing_asks_for_a_reason_and_then_blocks(login, elena):
    client = login("support")
    address = elena.addresses.get(kind="phone")

    refused = client.post(
        f"/contacts/{elena.pk}/suppress/", {"what": address.pk, "channel": "rvm", "reason": " "}
    )
    done = client.post(
        f"/contacts/{elena.pk}/suppress/",
        {"what": address.pk, "channel": "rvm", "reason": "Asked by phone", "asked": "person"},
        follow=True,
    )

    assert refused.status_code == 422
    suppression = Suppression.objects.get()
    assert (suppression.value, suppression.channel, suppression.created_by) == (
        address.value,
        "rvm",
        client.user,
    )
    # A no to one kind of call is one to both.
    assert "Voice and ringless voicemail are turned off for this contact." in done.content.decode()


@pytest.mark.parametrize(
    ("kind", "channel", "way_out"),
    [
        ("email", "sms", "Choose email or every channel"),
        ("phone", "email", "Choose a phone channel or every channel"),
    ],
)
def test_what_would_block_nothing_is_refused_with_the_way_out(login, elena, kind, channel, way_out):
    address = elena.addresses.get(kind=kind)
    form = {"what": address.pk, "channel": channel, "reason": "Asked by phone", "asked": "person"}

    answer = login("support").post(f"/contacts/{elena.pk}/suppress/", form)

    assert answer.status_code == 422
    assert way_out in answer.content.decode()
    assert not Suppression.objects.exists()


def test_nobody_has_chosen_yet_who_wants_a_suppression(login, elena):
    client = login("support")

    page = client.get(f"/contacts/{elena.pk}/suppress/").content.decode()
    answer = client.post(f"/contacts/{elena.pk}/suppress/", {"what": "contact", "reason": "Called us"})

    assert not re.search(r'name="asked"[^>]* checked', page)
    assert "cannot be released by anybody: it holds until they opt in again" in page
    assert answer.status_code == 422
    assert "Say who wants it" in answer.content.decode()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("path", ["{}/", "{}/suppress/"])
def test_what_the_person_asked_for_leads_to_where_their_new_consent_is_recorded(login, elena, path):
    suppress(contact=elena, reason="asked", origin="recipient", now=timezone.now())
    link = f'{reverse("admin:contacts_consent_add")}?contact={elena.pk}&amp;opted_in=1"'

    for role, may in (("admin", True), ("support", False)):
        page = login(role).get(f"/contacts/{path.format(elena.pk)}").content.decode()
        assert (link in page) is may
        words = re.sub(r"\s+", " ", page)
        assert ("an administrator records" in words or "recorded by an administrator" in words) is not may
        assert f"/contacts/{elena.pk}/release/" not in page


# ---- Releasing ------------------------------------------------------------------------------------------------


@pytest.fixture
def ours(elena):
    return suppress(
        contact=elena,
        value="+12145550142",
        reason="hard_fails",
        origin="rule",
        now=timezone.now() - timedelta(days=1),
    )


def test_a_suppression_is_released_from_the_contact_s_page_by_whoever_may(login, elena, ours):
    elena.addresses.get(kind="phone").health.create(channel="sms", hard_fails=3)
    client, where = login("admin"), f"/contacts/{elena.pk}/release/{ours.pk}/"

    trail = client.get(f"/contacts/{elena.pk}/").content.decode()
    asked = re.sub(r"\s+", " ", client.get(where).content.decode())
    without = client.post(where, {"note": " "})
    done = client.post(where, {"note": "Their phone was off"}, follow=True).content.decode()

    assert re.search(rf'class="btn small"\s+href="{where}">Release', trail)
    assert "+1 214-555-0142: Permanent failures on" in asked
    assert (
        "by any campaign, where nothing else stands against it. The failures counted there are forgotten."
        in asked
    )
    assert without.status_code == 422
    ours.refresh_from_db()
    assert (ours.released_by, ours.release_note) == (client.user, "Their phone was off")
    assert AddressHealth.objects.get().hard_fails == 0
    assert "Released." in done
    assert "Not suppressed on any channel." in done


def test_what_else_stands_is_said_before_one_is_released(login, elena, ours):
    suppress(contact=elena, reason="asked", origin="recipient", now=timezone.now())

    page = re.sub(
        r"\s+", " ", login("admin").get(f"/contacts/{elena.pk}/release/{ours.pk}/").content.decode()
    )

    assert "It ends at once. 1 other suppression stays in force." in page


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_whoever_may_not_release_is_offered_nothing_and_refused(login, elena, ours, role):
    Suppression.objects.filter(pk=ours.pk).update(reason="legal", origin="staff")
    client, where = login(role), f"/contacts/{elena.pk}/release/{ours.pk}/"

    page = client.get(f"/contacts/{elena.pk}/").content.decode()
    assert where not in page
    assert "An administrator can release it." in page
    refused = client.post(where, {"note": "Why not"}, follow=True).content.decode()
    assert "your role may not release this" in refused
    ours.refresh_from_db()
    assert ours.released_at is None


def test_what_the_person_asked_for_is_not_released_and_what_is_over_is_said_to_be(login, elena, ours):
    client = login("admin")
    asked = suppress(contact=elena, reason="asked", origin="recipient", now=timezone.now())
    Suppression.objects.filter(pk=ours.pk).update(released_at=timezone.now())
    elsewhere = suppress(value="+12145550199", reason="staff", origin="staff", now=timezone.now())

    texts = {
        one.pk: client.post(
            f"/contacts/{elena.pk}/release/{one.pk}/", {"note": "x"}, follow=True
        ).content.decode()
        for one in (asked, ours, elsewhere)
    }

    assert "Only new consent from them can lift it." in texts[asked.pk]
    assert "That suppression does not hold any more." in texts[ours.pk]
    assert "That suppression does not hold any more." in texts[elsewhere.pk]
    assert Suppression.objects.in_force(timezone.now()).filter(pk__in=[asked.pk, elsewhere.pk]).count() == 2


def test_channels_stand_under_the_kind_of_address_that_takes_them(login, elena):
    page = login("support").get(f"/contacts/{elena.pk}/suppress/").content.decode()

    groups = re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', page, re.S)
    assert [(of, re.findall(r'value="(\w+)"', options)) for of, options in groups] == [
        ("To a phone number", ["sms", "mms", "voice", "rvm"]),
        ("To an email address", ["email"]),
    ]


def test_correcting_keeps_the_old_number_and_says_what_changed(login, elena):
    done = login("support").post(
        f"/contacts/{elena.pk}/correct/",
        {
            "name": "Elena Moreau",
            "phone": "(214) 555-0177",
            "email": "elena.moreau@example.com",
            "time_zone": "",
        },
        follow=True,
    )

    assert elena.addresses.get(kind="phone", preferred=True).value == "+12145550177"
    assert "Phone changed from +1 ••• ••• 0142 to +1 ••• ••• 0177." in done.content.decode()


def test_a_wrong_correction_is_said_at_its_field_and_changes_nothing(login, elena):
    refused = login("support").post(
        f"/contacts/{elena.pk}/correct/", {"name": "New", "phone": "12", "email": "", "time_zone": ""}
    )

    elena.refresh_from_db()
    assert refused.status_code == 422
    assert elena.name == "Elena Moreau"
    assert b"is not a phone number" in refused.content


def test_a_number_of_another_contact_is_given_to_both_only_when_confirmed(login, elena):
    factories.phone(factories.contact(name="Omar Larsson"), value="+12145550177")
    form = {
        "name": elena.name,
        "phone": "(214) 555-0177",
        "email": "elena.moreau@example.com",
        "time_zone": "",
    }
    client = login("support")

    asked = client.post(f"/contacts/{elena.pk}/correct/", form)
    before = elena.addresses.get(kind="phone").value
    client.post(f"/contacts/{elena.pk}/correct/", form | {"shared": "+12145550177"})

    assert asked.status_code == 422
    assert "already on record for Omar Larsson" in asked.content.decode()
    assert "Yes, Elena Moreau can be reached at +1 214-555-0177 too" in asked.content.decode()
    assert before == "+12145550142"
    assert elena.addresses.get(kind="phone", preferred=True).value == "+12145550177"


def test_a_corrected_number_is_not_judged_by_the_history_of_the_old_one(login, elena):
    address = elena.addresses.get(kind="phone")
    Consent.objects.create(contact=elena, channel="sms", opted_in=True, how="Web form")
    recipient = factories.recipient(contact=elena)
    factories.message(
        recipient,
        address=address,
        status=Status.UNDELIVERED,
        failure_class=FailureClass.PERMANENT,
        fault=Fault.RECIPIENT,
    )

    before = side_panel(elena, timezone.now()).channels[0]
    correct(elena, phone="214 555 0177", region="US", by=None)
    elena.refresh_from_db()
    after = side_panel(elena, timezone.now()).channels[0]

    assert (before.word, before.evidence) == ("Uncertain", "One try: undelivered")
    assert (after.word, after.evidence) == ("Unknown", "Never tried")


def test_a_note_is_kept_with_its_author(login, elena):
    client = login("support")

    page = client.post(f"/contacts/{elena.pk}/note/", {"text": "Call in the mornings."}, follow=True)

    assert Note.objects.get().author == client.user
    assert b"Call in the mornings." in page.content


def test_a_planned_retry_keeps_the_hours_of_the_number_that_was_corrected(login, elena, time_machine):
    time_machine.move_to(
        datetime(2026, 11, 30, 0, 20, tzinfo=UTC)
    )  # 16:20 in Los Angeles, 18:20 in New Orleans
    type(elena).objects.filter(pk=elena.pk).update(time_zone="")
    elena.addresses.filter(kind="phone").update(time_zone="America/Los_Angeles", value="+12135550142")
    Consent.objects.create(contact=elena, channel="sms", opted_in=True, how="Web form")
    recipient = factories.recipient(contact=elena, state="open")
    factories.account()
    factories.content(recipient.campaign)
    factories.message(
        recipient, address=elena.addresses.get(kind="phone"), status=Status.UNDELIVERED,
        failure_class=FailureClass.TEMPORARY, fault=Fault.RECIPIENT, settled_at=timezone.now(),
    )  # fmt: skip
    settle([recipient.pk], timezone.now())
    form = {"name": elena.name, "phone": "504 555 0181", "email": "elena.moreau@example.com", "time_zone": ""}

    page = login("support").post(f"/contacts/{elena.pk}/correct/", form, follow=True).content.decode()

    assert "09:00 in Chicago" in page
    recipient.refresh_from_db()
    assert recipient.next_step_at == datetime(2026, 11, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line_type", "opted_in", "word"),
    [("landline", True, "Not possible"), ("mobile", False, "No consent"), ("mobile", True, "Unknown")],
)
def test_a_channel_that_was_never_tried_says_what_is_known_of_it(elena, line_type, opted_in, word):
    elena.addresses.filter(kind="phone").update(line_type=line_type)
    if opted_in:
        Consent.objects.create(contact=elena, channel="sms", opted_in=True, how="Web form")

    reach = side_panel(elena, timezone.now()).channels[0]

    assert (reach.channel, reach.word, reach.evidence) == ("sms", word, "Never tried")


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("email", "One permanent failure, which is enough to block it"),
        ("sms", "1 of 3 permanent failures in a row"),
    ],
)
def test_failures_are_counted_as_far_as_they_close_the_channel(login, elena, channel, words):
    address = elena.addresses.get(kind="email" if channel == "email" else "phone")
    AddressHealth.objects.create(address=address, channel=channel, hard_fails=1)

    page = " ".join(login("support").get(f"/contacts/{elena.pk}/").content.decode().split())

    assert words in page


@pytest.fixture
def retried(elena):
    """What failed for a while and is to be sent to Elena once more, in two hours."""
    Consent.objects.create(contact=elena, channel="sms", opted_in=True, how="Web form")
    campaign = factories.campaign(name="Spring sale", state="sending")
    factories.account()
    factories.content(campaign, body="Hello {first_name}, the sale begins.")
    recipient = factories.recipient(
        campaign, elena, next_step="retry", next_step_at=timezone.now() + timedelta(hours=2), state="open"
    )
    factories.message(
        recipient, address=elena.addresses.get(kind="phone"), status=Status.UNDELIVERED,
        failure_class=FailureClass.TEMPORARY, fault=Fault.RECIPIENT, settled_at=timezone.now(),
    )  # fmt: skip
    return recipient


@pytest.mark.parametrize(
    ("role", "number"), [("support", "+1 214-555-0142"), ("marketer", "+1 ••• ••• 0142")]
)
def test_a_step_is_made_or_stopped_only_after_a_question_that_says_what_is_sent_where(
    login, elena, retried, role, number
):
    page = " ".join(login(role).get(f"/contacts/{elena.pk}/").content.decode().split())

    run, stop = f"run-{retried.pk}", f"stop-{retried.pk}"
    assert f'popovertarget="{run}">Run now<' in page
    asked = page[page.index(f'id="{run}"') :].partition("</dialog>")[0]
    assert "SMS</span> for <b>Spring sale</b> to" in asked
    assert number in asked
    assert "Hello Elena, the sale begins." in asked
    assert f'action="/contacts/{elena.pk}/steps/{retried.pk}/run/"' in asked
    stopping = page[page.index(f'id="{stop}"') :].partition("</dialog>")[0]
    assert "Nothing more is sent to Elena Moreau for <b>Spring sale</b> automatically" in stopping
    assert f'action="/contacts/{elena.pk}/steps/{retried.pk}/cancel/"' in stopping


def test_what_would_send_nothing_is_not_offered(login, elena, retried):
    retried.campaign.contents.all().delete()

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert ">Planned</h2>" in page
    assert "Run now" not in page


def test_several_planned_steps_cost_no_more_than_one(
    login, elena, retried, django_assert_num_queries, django_assert_max_num_queries
):
    client = login("support")
    with django_assert_max_num_queries(72) as one:
        client.get(f"/contacts/{elena.pk}/")
    for _ in range(3):
        again = factories.recipient(contact=elena, next_step="retry", next_step_at=timezone.now())
        factories.content(again.campaign)
        factories.message(
            again, address=elena.addresses.get(kind="phone"), status=Status.UNDELIVERED,
            failure_class=FailureClass.TEMPORARY, fault=Fault.RECIPIENT, settled_at=timezone.now(),
        )  # fmt: skip

    with django_assert_num_queries(len(one.captured_queries)):
        assert client.get(f"/contacts/{elena.pk}/").content.count(b">Run now<") == 4


def test_a_step_that_was_stopped_comes_no_more(login, elena):
    recipient = factories.recipient(
        contact=elena, next_step="wait", next_step_at=timezone.now() + timedelta(hours=2), state="open"
    )
    factories.message(recipient, address=elena.addresses.get(kind="phone"))
    client = login("support")
    before = client.get(f"/contacts/{elena.pk}/").content.decode()

    after = client.post(f"/contacts/{elena.pk}/steps/{recipient.pk}/cancel/", follow=True).content.decode()

    assert ">Planned</h2>" in before
    assert ">Planned</h2>" not in after
    assert "No more automatic steps for" in after


def test_a_step_that_is_gone_is_said_to_be(login, elena):
    recipient = factories.recipient(contact=elena)

    page = login("support").post(f"/contacts/{elena.pk}/steps/{recipient.pk}/run/", follow=True)

    assert b"There is no such step any more" in page.content


def test_another_contact_s_step_is_not_found(login, elena):
    recipient = factories.recipient()

    assert login("support").post(f"/contacts/{elena.pk}/steps/{recipient.pk}/run/").status_code == 404


@pytest.mark.parametrize("act", ["correct", "suppress", "note"])
def test_who_may_only_look_may_not_act(login, elena, act):
    viewer = factories.user("")
    viewer.user_permissions.add(*_permissions("view_contact"))

    assert login(user=viewer).post(f"/contacts/{elena.pk}/{act}/", {}).status_code == 403


def _permissions(*names):
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names)


def test_a_raw_receipt_is_shown_as_text_and_never_as_markup(login, elena):
    a_story(elena)
    Receipt.objects.update(body=b"<script>alert(1)</script>\xff")

    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert "<script>alert(1)" not in page
    assert re.search(r"&lt;script&gt;alert\(1\)", page)


def test_the_header_tells_the_contacts_own_time(login, time_machine):
    time_machine.move_to(datetime(2026, 1, 15, 20, 50, tzinfo=UTC))
    contact = factories.contact(time_zone="America/New_York")

    assert "15:50 in New York now" in login("support").get(f"/contacts/{contact.pk}/").content.decode()


def test_the_contacts_own_time_has_its_day_where_that_is_not_the_reader_s(login, time_machine):
    time_machine.move_to(datetime(2026, 11, 30, 3, 22, tzinfo=UTC))
    contact = factories.contact(time_zone="America/Denver")
    campaign = factories.campaign(state="sending")
    factories.recipient(
        campaign, contact, state="open", next_step="retry", next_step_at=datetime(2026, 12, 1, 2, tzinfo=UTC)
    )

    page = login("support").get(f"/contacts/{contact.pk}/?clock=own").content.decode()

    assert "20:22 on 29 Nov in Denver now" in page
    assert "19:00 on 30 Nov in Denver" in page


def test_the_header_names_the_day_where_the_trail_is_in_their_own_time(login, time_machine):
    time_machine.move_to(datetime(2026, 11, 30, 3, 22, tzinfo=UTC))
    contact = factories.contact(time_zone="America/Denver")

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()

    assert "20:22 on 29 Nov in Denver now" in page


def test_what_has_not_left_is_not_said_to_be_sent(login):
    message = factories.message(status=Status.QUEUED)

    page = login("support").get(f"/contacts/{message.contact_id}/").content.decode()

    assert "We have not sent you anything so far." in page
    assert "On " not in page[page.index("to-say") :].partition("</p>")[0]
