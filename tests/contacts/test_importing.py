"""Importing contacts: what is taken, what is refused and why, and what an import may never do."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, ManagementUtility, call_command
from django.db import DatabaseError, connection

from contacts import import_plan, importing, row_writing
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out
from contacts.headers import COLUMNS, UnreadableFile
from contacts.importing import import_contacts
from contacts.models import Address, Consent, Contact, ContactList, ListMembership, Suppression
from tests import factories
from tests.contacts.workbook import workbook

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def load(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    options = {"contact_list": "Spring fair", "region": "US", "now": NOW} | options
    return import_contacts(io.BytesIO(content), **options)


def counts(result):
    return (result.added, result.updated, result.unchanged, result.refused_lines)


def refusals(result):
    return [str(each) for each in result.refused]


# ---- What is taken ------------------------------------------------------------------------------------------


def test_a_full_line_fills_the_contact_its_addresses_consent_and_list():
    result = load(
        "Name,Phone,E-mail,External ID,Time zone,Locale,Stage,Value tier,Consent,Consent at,Consent how,Shoe size\n"
        "Robin Lee,(512) 555-0142,Robin@Example.com,c-1,America/Denver,en-US,Customer,2,"
        "sms;email,2026-01-02,Web form,42\n"
    )

    assert counts(result) == (1, 0, 0, 0)
    assert result.consents == 2
    contact = Contact.objects.get()
    assert (contact.name, contact.external_id, contact.time_zone) == ("Robin Lee", "c-1", "America/Denver")
    assert (contact.locale, contact.stage, contact.value_tier) == ("en-US", "customer", 2)
    assert contact.attributes == {"shoe_size": "42"}
    assert contact.source.name == "Spring fair"
    assert list(contact.lists.all()) == [contact.source]
    phone, email = contact.addresses.order_by("kind").reverse()
    assert (phone.value, phone.region, phone.time_zone) == ("+15125550142", "US", "America/Chicago")
    assert (email.value, email.validity, email.preferred) == ("robin@example.com", "unverified", True)
    consent = contact.consents.get(channel="sms")
    assert (consent.opted_in, consent.at, consent.how) == (True, datetime(2026, 1, 2, tzinfo=UTC), "Web form")
    assert consent.evidence == "Import into Spring fair, line 2"


def test_first_and_last_name_make_the_name():
    load("first_name,last_name,phone\nRobin,Lee,5125550142\n")

    contact = Contact.objects.get()
    assert contact.name == "Robin Lee"
    assert contact.attributes == {"last_name": "Lee"}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfname;phone\r\nRobin;512 555 0142\r\n",
        b"name\tphone\nRobin\t512 555 0142",
        b'phone,name\n"512 555 0142","Robin"\n\n,\n',
        b"NAME , PHONE \n Robin , 512 555 0142 \n",
        b"sep=;\r\nname;phone\r\nRobin;512 555 0142\r\n",
        b"\xef\xbb\xbfSEP=,\nname,phone\nRobin,512 555 0142\n",
        b'"sep=|"\nname|phone\nRobin|512 555 0142\n',
        b"sep=\t\nname\tphone\nRobin\t512 555 0142\n",
        b"sep=^\nname^phone\nRobin^512 555 0142\n",
        b"sep=\nname;phone\nRobin;512 555 0142\n",
        b"\xef\xbb\xbf\xef\xbb\xbfname,phone\nRobin,512 555 0142\n",
        "name\tphone\r\nRobin\t512 555 0142\r\n".encode("utf-16"),
        b"\xfe\xff" + "name,phone\nRobin,512 555 0142\n".encode("utf-16-be"),
        b"\n\nname,phone\nRobin,512 555 0142\n",
        b"name,phone\rRobin,512 555 0142\r",
        b"name,phone,,\nRobin,512 555 0142,,\n",
        b"name;phone;\nRobin;512 555 0142\n",
        b"name,,phone\nRobin,x,512 555 0142\n",
        b'name;phone;"note, long, very, long"\nRobin;512 555 0142;x\n',
        b'"name";"phone";"a ""b"", c, d, e"\nRobin;512 555 0142;x\n',
        b'name,phone,"seen; by; whom; when"\nRobin,512 555 0142,x\n',
        b"name\tphone\tnote, long, very, long\nRobin\t512 555 0142\tx\n",
    ],
)
def test_the_usual_dialects_of_csv_are_read(content):
    result = load(content)

    assert counts(result) == (1, 0, 0, 0)
    assert Contact.objects.get().name == "Robin"
    assert Address.objects.get().value == "+15125550142"


def test_numbers_without_country_belong_to_the_region():
    load("phone\n020 7946 0000\n", region="GB")

    assert Address.objects.get().value == "+442079460000"


@pytest.mark.parametrize(
    ("cell", "region", "value"),
    [
        ("628123456789.0", "ID", "+628123456789"),
        ("49301234567.0", "DE", "+49301234567"),
        ("+4313999999.0", "AT", "+4313999999"),
        ("5125550142.00", "US", "+15125550142"),
        ('"5125550142,0"', "US", "+15125550142"),
    ],
)
def test_the_decimals_that_a_spreadsheet_gives_a_number_are_taken_off(cell, region, value):
    load(f"phone\n{cell}\n", region=region)

    assert Address.objects.get().value == value


@pytest.mark.parametrize("cell", ["6.28E+11", '"6,28E+11"', "628123456789.5"])
def test_a_number_that_a_spreadsheet_spoilt_is_refused_with_the_way_out(cell):
    result = load(f"phone\n{cell}\n", region="ID")

    assert "format the column as text" in result.refused[0].remedy
    assert not Address.objects.exists()


def test_consent_for_the_whole_file_holds_for_every_line():
    result = load("phone\n5125550142\n5125550143\n", consent=["sms", "voice"], how="Paper form")

    assert result.consents == 4
    assert set(Consent.objects.values_list("channel", "how", "at")) == {
        ("sms", "Paper form", NOW),
        ("voice", "Paper form", NOW),
    }


def test_a_consent_column_decides_alone_also_where_it_is_empty():
    load("phone,consent\n5125550142,\n5125550143,rvm\n", consent=["sms"], how="Paper form")

    assert list(Consent.objects.values_list("channel", flat=True)) == ["rvm"]


def test_a_second_import_of_the_same_file_changes_nothing():
    header = "name,phone,email,external_id,consent,consent_how,city"
    text = f"{header}\nRobin,5125550142,r@example.com,1,sms,Web form,Austin\n"
    load(text)

    again = load(text)

    assert counts(again) == (0, 0, 1, 0)
    assert (Contact.objects.count(), Address.objects.count(), Consent.objects.count()) == (1, 2, 1)
    assert ListMembership.objects.count() == 1


def test_joining_another_list_is_an_update_and_keeps_the_source():
    load("phone\n5125550142\n")

    result = load("phone\n5125550142\n", contact_list="Autumn fair")

    assert counts(result) == (0, 1, 0, 0)
    contact = Contact.objects.get()
    assert contact.source.name == "Spring fair"
    assert set(contact.lists.values_list("name", flat=True)) == {"Spring fair", "Autumn fair"}


def test_lists_whose_names_look_alike_get_different_slugs():
    load("phone\n5125550142\n", contact_list="Spring fair!")
    load("phone\n5125550142\n", contact_list="Spring fair?")

    assert set(ContactList.objects.values_list("slug", flat=True)) == {"spring-fair", "spring-fair-2"}


def test_a_file_with_a_line_for_its_separator_counts_lines_as_an_editor_does():
    result = load("sep=;\nphone;name\n12;Robin\n")

    assert result.refused[0].line == 3


# ---- Columns that are not read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "note"),
    [
        (
            "2nd",
            "Column 2, “2nd”, was left out. To bring it in as a merge field, name it with letters a to z",
        ),
        ("Größe", "Column 2, “Größe”, was left out."),
        ("性別", "Column 2, “性別”, was left out."),
        ("x" * 41, "was left out. To bring it in"),
        ("$", "Column 2, “$”, was left out."),
    ],
)
def test_a_column_that_cannot_be_a_merge_field_is_left_out_and_named(title, note):
    result = load(f"phone,{title},city\n5125550142,x,Austin\n")

    assert counts(result) == (1, 0, 0, 0)
    assert Contact.objects.get().attributes == {"city": "Austin"}
    assert note in result.notes[0]
    assert result.notes[1] == "Taken as merge fields: city."


def test_of_two_merge_fields_with_one_name_the_first_is_taken():
    result = load("phone,Notes,notes\n5125550142,first,second\n")

    assert Contact.objects.get().attributes == {"notes": "first"}
    assert "Column 3, “notes”, was left out: an earlier column has that name." in result.notes[0]


def test_a_column_without_a_name_between_others_is_left_out_and_one_behind_them_is_a_slip():
    result = load("phone,,name,\n5125550142,x,Robin,\n5125550143,,Lee, Sam\n")

    assert result.notes == ["Column 2 has no name and was left out."]
    assert counts(result) == (1, 0, 0, 1)


CONSENT_TITLES = [
    "SMS opt in", "opt-in", "OptIn", "sms_consent", "Marketing Consent", "Subscribed", "GDPR", "Accepts Marketing",
    "Email permission", "Newsletter", "OPTIN_TIME", "May we text", "Einwilligung", "Consentement", "consentimiento",
    "status", "List status", "email status", "SMS Status", "Mailing list status", "Marketing status", "Phone status",
    "Contact preference", "Marketing", "SMS", "MMS", "Voice", "Texts", "Emails", "Text ok", "OK to text", "SMS allowed",
    "Receive emails",
    "Wants calls", "Email marketing", "Contactable", "consented_at", "consent_date",
    "Opt in date", "SMS opt in status",
]  # fmt: skip
REFUSAL_TITLES = [
    "opt out", "Email Opt Out", "HasOptedOutOfEmail", "Unsubscribed", "unsubscribe", "Do not contact", "DoNotCall",
    "DNC", "No SMS", "Abgemeldet", "Baja", "Désabonné",
    "Removed", "removed_at", "Date removed", "Complained", "Spam complaint", "Blocked", "Is blocked", "Stop",
    "Excluded",
    "Don't call", "No SMS please", "no_email_marketing",
]  # fmt: skip


@pytest.mark.parametrize("title", [*CONSENT_TITLES, *REFUSAL_TITLES])
def test_a_column_about_consent_that_nobody_mapped_is_pointed_out_and_no_merge_field(title):
    result = load(f"phone,{title}\n5125550142,yes\n")

    assert Contact.objects.get().attributes == {}
    assert len(result.notes) == 1
    assert f"“{title}”, looks like" in result.notes[0]


@pytest.mark.parametrize(
    "title",
    [
        "Subscription plan",
        "Consultant",
        "City",
        "Option",
        "Doctor",
        "Stop name",
        "Order status",
        "Status of order",
        "Tags",
        "Notes",
        "Contact list",
        "Text 1",
        "Voice actor",
        "Marketing manager",
        "Blocked drain",
    ],
)
def test_other_columns_are_merge_fields(title):
    result = load(f"phone,{title}\n5125550142,yes\n")

    assert result.notes[0].startswith("Taken as merge fields")


@pytest.mark.parametrize(
    ("title", "cell", "denied"),
    [
        *[("SMS opt in", cell, True) for cell in ("no", "FALSE", "0", "", "unsubscribed", "Opted out")],
        *[("Subscribed", cell, False) for cell in ("yes", "TRUE", "1", "x", "2026-01-02")],
        *[(title, cell, True) for title in ("Opt out", "Unsubscribed") for cell in ("yes", "1", "x", "2026-01-02")],
        *[(title, cell, False) for title in ("Opt out", "Unsubscribed") for cell in ("no", "0", "", "False", "-")],
        *[("Status", cell, True) for cell in ("unsubscribed", "Opted-out", "Do not contact", "STOP", "désabonné")],
        *[("E-Mail-Status ✉", cell, False) for cell in ("unsubscribed", "active")],
        *[("Status", cell, False) for cell in ("", "active", "subscribed", "stops at 9")],
        *[("Status", cell, True) for cell in ("no", "complaint", "User unsubscribed", "recipient complained")],
        ("City", "Blacklisted", True),
        ("Name", "Stop", False),
        ("Email consent", "no", False),
        ("DNC", "Nein", False),
        ("DNC", "ja", True),
    ],
)  # fmt: skip
def test_consent_for_the_whole_file_leaves_out_whom_a_column_speaks_against(title, cell, denied):
    result = load(f"phone,{title}\n5125550142,{cell}\n", consent=["sms"], how="Web form")

    assert counts(result) == (1, 0, 0, 0)
    assert Consent.objects.exists() is not denied
    assert [each.column for each in result.without_consent] == (["consent"] if denied else [])


NO_EVERYWHERE = [
    "unsubscribed", "Unsub", "UNSUBSCRIBE", "Do not contact", "do-not-contact", "DO_NOT_CONTACT", "Don’t contact",
    "DNC", "D.N.C.", "dnd", "opted out", "Opted-out", "OptedOut", "opt-out", "STOP", "stop all", "Complained",
    "complaint", "Spam complaint", "Blocked", "removed", "Suppressed", "blacklisted", "Blocklisted", "no marketing",
    "No consent", "never subscribed", "Non-subscribed", "not opted in", "consent withdrawn", "Please do not contact",
    "Abgemeldet", "Keine Werbung", "désabonné", "Désabonnée", "désinscrit", "ne pas contacter", "baja", "Dado de baja",
    "no contactar", "descadastrado", "não contatar", "disiscritto", "uitgeschreven", "wypisany", "отписан", "退订",
    "配信停止", "수신거부", "VIP; unsubscribed", "vip,unsubscribed", "lead | DNC", '["vip","opted_out"]',
    "Old / Unsubscribed",
]  # fmt: skip


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.parametrize("cell", NO_EVERYWHERE)
@pytest.mark.parametrize("title", ["status", "Segment of customer", "顧客"])
def test_a_plain_no_in_any_column_withholds_all_consent_and_is_listed(title, cell):
    result = load(
        f"phone,{title}\n5125550141,gold\n5125550142,{quoted(cell)}\n",
        consent=["sms", "email", "voice"],
        how="Web form",
    )

    assert counts(result) == (2, 0, 0, 0)
    assert set(Consent.objects.values_list("contact__addresses__value", flat=True)) == {"+15125550141"}
    assert [(each.line, each.value) for each in result.without_consent] == [
        (3, "sms"), (3, "email"), (3, "voice"),
    ]  # fmt: skip
    assert f"“{title}” says “{cell}”" in str(result.without_consent[0])
    assert not Suppression.objects.exists()
    note = next(each for each in result.notes if "says no on 1 line" in each)
    assert f"Column 2, “{title}”, says no on 1 line, the first one line 3 (“{cell}”)." in note
    assert "Suppressions > Add, or ask an administrator" in note


@pytest.mark.parametrize("title", ["status", "City", "Tags", "Company", "Notes"])
@pytest.mark.parametrize(
    "cell",
    ["subscribed", "active", "Baja California", "Unstoppable Inc", "Stop & Shop", "not unsubscribed", "never opted out",
     "VIP", "Bus stop 12", "Blocked drain, Main Street", "Doctor No", "x", "12", ""],
)  # fmt: skip
def test_what_does_not_plainly_say_no_leaves_the_consent(title, cell):
    result = load(f"phone,{title}\n5125550142,{quoted(cell)}\n", consent=["sms"], how="Web form")

    assert result.without_consent == []
    assert Consent.objects.count() == 1


@pytest.mark.parametrize(
    ("title", "cell", "left"),
    [
        ("Remark", "no sms", {"email", "voice"}),
        ("Flag", "Do not text", {"email", "voice"}),
        ("Wish", "Do not call", {"sms", "email"}),
        ("Wish", "do not email or call", {"sms"}),
        ("Wish", "No calls; no sms", {"email"}),
        ("Wish", "keine Anrufe", {"sms", "email"}),
        ("Email status", "complained", {"sms", "voice"}),
        ("Email status", "bounced", {"sms", "voice"}),
        ("State of address", "Hard bounce", {"sms", "voice"}),
        ("SMS status", "unsubscribed", {"email", "voice"}),
        ("SMS", "no", {"email", "voice"}),
        ("Text ok", "N", {"email", "voice"}),
        ("Marketing", "no", set()),
        ("Removed", "yes", set()),
        ("SMS status", "do not contact", set()),
        ("Phone status", "unsubscribed", {"email"}),
        ("Wish", "Opted out by phone", set()),
        ("Wish", "Unsubscribed from SMS", {"email", "voice"}),
        ("Notes", "She opted out by text message, 3 May", set()),
        ("Notes", "Customer says: no sms please", {"email", "voice"}),
        ("List status", "pending", set()),
        ("List status", "", {"sms", "email", "voice"}),
        ("Opt out", "opted out", set()),
        ("Unsubscribed", "unsubscribed", set()),
        ("Opt out", "not opted out", {"sms", "email", "voice"}),
    ],
)
def test_a_no_holds_for_the_channels_that_it_or_its_title_names_else_for_all(title, cell, left):
    load(f"phone,{title}\n5125550142,{cell}\n", consent=["sms", "email", "voice"], how="Web form")

    assert set(Consent.objects.values_list("channel", flat=True)) == left


@pytest.mark.parametrize(
    "cell",
    ["Spoke to her in May. Do not contact again!", "VIP - unsubscribed 2025-01-02",
     "Customer opted out by phone on 3/4",
     "asked to be removed (Sam)", "Says: stop texting me", "Kundin bitte nicht mehr anschreiben",
     "ne plus contacter svp",
     "Wants to be removed from all lists", "pidió la dada de baja", "don't contact, moved away"],
)  # fmt: skip
@pytest.mark.parametrize("title", ["Notes", "internal_comments", "Tags"])
def test_in_notes_and_tags_a_no_may_stand_among_other_words(title, cell):
    result = load(f"phone,{title}\n5125550142,{quoted(cell)}\n", consent=["sms"], how="Web form")

    assert not Consent.objects.exists()
    assert [each.line for each in result.without_consent] == [2]
    assert Contact.objects.get().attributes == {title.lower(): cell}


def test_a_long_text_of_the_words_of_a_no_is_read_quickly():
    cell = "do not " + "call text messages text messages " * 500 + "x"

    assert counts(load(f"phone,wish\n5125550142,{cell}\n")) == (1, 0, 0, 0)


def test_a_plain_no_holds_beside_a_consent_column_and_lifts_or_ends_no_suppression():
    record_opt_out(value="+15125550143", channel="sms", how="Replied STOP", evidence="STOP", at=NOW - DAY)

    result = load(
        "phone,consent,consent_how,Subscribed,status\n"
        "5125550142,sms,Web form,yes,Unsubscribed\n"
        "5125550143,,Web form,yes,do not contact\n"
        "5125550144,sms,Web form,no,inactive\n"
    )

    assert list(Consent.objects.values_list("contact__addresses__value", flat=True)) == ["+15125550144"]
    assert "“status”, says no on 2 lines, the first one line 2 (“Unsubscribed”)." in result.notes[-1]
    assert Suppression.objects.in_force(NOW).count() == 1


@pytest.mark.parametrize(
    "title", ["consented_at", "consent_date", "Consent time", "opt-in date", "Einwilligungsdatum"]
)
def test_a_date_of_consent_by_another_name_is_told_the_right_one(title):
    assert "name it consent_at" in load(f"phone,{title}\n5125550142,2026-01-02\n").notes[0]


def test_a_consent_column_that_is_no_date_is_not_told_to_be_one():
    assert "name it consent_at" not in load("phone,sms consent\n5125550142,yes\n").notes[0]


def test_a_consent_column_is_more_exact_than_an_opt_in_but_an_opt_out_holds_beside_it():
    load(
        "phone,consent,consent_how,Subscribed,Email opt out\n"
        "5125550142,sms,Web form,no,\n"
        "5125550143,sms;email,Web form,yes,yes\n"
    )

    found = set(Consent.objects.values_list("contact__addresses__value", "channel"))
    assert found == {("+15125550142", "sms"), ("+15125550143", "sms")}


def test_a_line_that_ends_before_the_consent_column_has_no_consent():
    load("phone,consent\n5125550142\n", consent=["sms"], how="Web form")

    assert not Consent.objects.exists()


# ---- Dates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (["2025-03-04"], (2025, 3, 4)),
        (["2025/3/4"], (2025, 3, 4)),
        (["4.3.2025"], (2025, 3, 4)),
        (["03/04/2025", "25/12/2025"], (2025, 4, 3)),
        (["03/04/2025", "12/25/2025"], (2025, 3, 4)),
        (["3-4-25", "12-25-25"], (2025, 3, 4)),
        (["03/04/2025 5:30 PM", "12/25/2025"], (2025, 3, 4)),
        (["04/04/2025"], (2025, 4, 4)),
    ],
)
def test_the_dates_of_a_column_tell_together_where_the_day_stands(dates, first):
    lines = "".join(f"512555014{n},sms,Web form,{at}\n" for n, at in enumerate(dates))
    result = load("phone,consent,consent_how,consent_at\n" + lines)

    assert result.refused == []
    at = Consent.objects.get(contact__addresses__value="+15125550140").at
    assert (at.year, at.month, at.day) == first


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        (["03/04/2025", "05/06/2025"], "two ways, such as “03/04/2025” on line 2.*2026-03-04.*--dates"),
        (["1/2/25"], "two ways"),
        (["25/12/2025", "12/25/2025"], "day on line 2 .*month on line 3"),
        (["4.3.2025", "12/25/2025"], "day on line 2 .*month on line 3"),
        (["2025-01-02", "3-4-2025"], "two ways, such as “3-4-2025” on line 3"),
    ],
)
def test_dates_that_can_be_read_in_two_ways_are_refused_once_for_the_column(dates, why):
    lines = "".join(f"512555014{n},{at}\n" for n, at in enumerate(dates))

    with pytest.raises(UnreadableFile, match=why):
        load("phone,consent_at\n" + lines)


@pytest.mark.parametrize(
    ("dates", "day_first", "said"),
    [
        (
            ["03/04/2025", "25/12/2025"],
            None,
            ["day first, as in “25/12/2025” on line 3", "--dates month-first"],
        ),
        (
            ["03/04/2025", "12/25/2025"],
            None,
            ["month first, as in “12/25/2025” on line 3", "--dates day-first"],
        ),
        (["03/04/2025"], True, ["“03/04/2025” on line 2", "day first, as was asked", "--dates month-first"]),
        (["25/12/2025", "04/04/2025"], None, []),
        (["2025-03-04"], None, []),
    ],
)
def test_the_report_says_in_which_order_dates_were_read(dates, day_first, said):
    lines = "".join(f"512555014{n},{at}\n" for n, at in enumerate(dates))

    notes = load("phone,consent_at\n" + lines, day_first=day_first).notes

    assert len(notes) == bool(said)
    assert all(words in notes[0] for words in said)


@pytest.mark.parametrize(("day_first", "month"), [(True, 4), (False, 3)])
def test_whoever_imports_may_say_where_the_day_stands(day_first, month):
    load("phone,consent,consent_how,consent_at\n5125550142,sms,x,03/04/2025\n", day_first=day_first)

    assert Consent.objects.get().at.month == month


@pytest.mark.parametrize(
    "text", ["31/02/2025", "13/13/2025", "1/13/2025 13:00 PM", "0/0/2025", "14 March 2026"]
)
def test_a_date_that_does_not_exist_is_refused_on_its_line(text):
    result = load(f"phone,consent_at\n5125550142,{text}\n")

    assert result.refused[0].why == "it is no date"


# ---- Who is meant -------------------------------------------------------------------------------------------


def test_the_external_id_tells_who_is_meant_then_the_phone_then_the_email():
    for n in (1, 2, 3):
        contact = factories.contact(name="", external_id=f"c-{n}")
        factories.phone(contact, value=f"+1512555014{n}")
        factories.email(contact, value=f"person{n}@example.com")

    result = load(
        "external_id,phone,email,name\n"
        "c-1,+15125550199,new@example.com,One\n"
        ",+15125550142,other@example.com,Two\n"
        ",,person3@example.com,Three\n"
    )

    assert counts(result) == (0, 3, 0, 0)
    assert list(Contact.objects.order_by("id").values_list("name", flat=True)) == ["One", "Two", "Three"]


def test_people_with_different_external_ids_may_share_a_phone():
    load("external_id,phone\nc-1,5125550142\nc-2,5125550142\n")

    result = load("external_id,phone\nc-3,5125550142\n")

    assert counts(result) == (1, 0, 0, 0)
    assert Contact.objects.count() == 3


def test_an_external_id_is_added_to_somebody_found_by_phone():
    factories.phone(value="+15125550142")

    result = load("external_id,phone\nc-1,5125550142\n")

    assert counts(result) == (0, 1, 0, 0)
    assert Contact.objects.get().external_id == "c-1"


def test_a_phone_of_several_people_is_refused_unless_the_email_tells():
    for n in (1, 2):
        contact = factories.contact()
        factories.phone(contact, value="+15125550142")
        factories.email(contact, value=f"person{n}@example.com")

    result = load("phone,email,name\n5125550142,,Nobody\n5125550142,person2@example.com,Second\n")

    assert refusals(result) == [
        "Line 2, phone “+15125550142”: 2 contacts have it, so it is not clear who is meant. "
        "Give the external_id of the one you mean."
    ]
    assert contact.__class__.objects.get(name="Second").pk == contact.pk


def test_the_same_person_twice_in_one_file_is_refused_the_second_time():
    result = load(
        "name,phone,email\nRobin,5125550142,r@example.com\nRobin L.,+1 512 555 0142,\nR.,,R@example.com\n"
    )

    assert counts(result) == (1, 0, 0, 2)
    assert "Line 3: it is the same person as line 2." in refusals(result)[0]
    assert "Line 4: it is the same person as line 2." in refusals(result)[1]


def test_an_unknown_external_id_without_address_is_refused():
    result = load("external_id,name\nc-9,Robin\n")

    assert "nobody has the external_id c-9" in refusals(result)[0]
    assert not ContactList.objects.exists()


# ---- What is kept -------------------------------------------------------------------------------------------


def test_an_empty_cell_empties_nothing():
    load("phone,name,stage,city\n5125550142,Robin,customer,Austin\n")

    result = load("phone,name,stage,city,street\n5125550142,,,,Main\n")

    contact = Contact.objects.get()
    assert counts(result) == (0, 1, 0, 0)
    assert (contact.name, contact.stage) == ("Robin", "customer")
    assert contact.attributes == {"city": "Austin", "street": "Main"}


def test_a_new_phone_becomes_the_preferred_one():
    contact = factories.contact(external_id="c-1")
    factories.phone(contact, value="+15125550142")

    load("external_id,phone\nc-1,5125550143\n")

    found = dict(contact.addresses.values_list("value", "preferred"))
    assert found == {"+15125550142": False, "+15125550143": True}


def test_a_phone_that_staff_replaced_does_not_come_back():
    contact = factories.contact(external_id="c-1")
    factories.phone(contact, value="+15125550142", preferred=False, validity="invalid")
    factories.phone(contact, value="+15125550143")

    load("external_id,phone\nc-1,5125550142\n")

    old = contact.addresses.get(value="+15125550142")
    assert (old.preferred, old.validity) == (False, "invalid")


def test_an_import_does_not_opt_back_in_who_opted_out():
    contact = factories.phone(value="+15125550142").contact
    Consent.objects.create(contact=contact, channel="sms", opted_in=False, at=NOW - DAY, how="Phone call")

    result = load("phone,consent,consent_how\n5125550142,sms;voice,Web form\n")

    assert [str(each) for each in result.without_consent] == [
        "Line 2, consent “sms”: opted out on 3 Mar 2026; only the person can opt back in. "
        "The line was imported without this consent."
    ]
    latest = latest_consents([contact.pk])
    assert not latest[contact.pk, "sms"].opted_in
    assert latest[contact.pk, "voice"].opted_in


def test_a_number_that_said_stop_stays_blocked_when_somebody_adds_it_back():
    record_opt_out(value="+15125550142", channel="sms", how="Replied STOP", evidence="STOP", at=NOW - DAY)

    result = load("phone\n5125550142\n", consent=["sms"], how="Web form")

    assert counts(result) == (1, 0, 0, 0)
    assert len(result.without_consent) == 1
    assert not Consent.objects.exists()
    assert Suppression.objects.in_force(NOW).count() == 1


# ---- What is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("phone", "12", "it is too short"),
        ("email", "robin@", "There must be something after the @-sign"),
        ("time_zone", "Mars/Olympus", "there is no such time zone"),
        ("locale", "english!", "it is no locale"),
        ("stage", "vip", "there is no such stage"),
        ("value_tier", "-1", "it is no whole number"),
        ("value_tier", "²", "it is no whole number"),
        ("value_tier", "40000", "it is no whole number"),
        ("consent", "fax", "“fax” is no channel"),
        ("consent_at", "yesterday", "it is no date"),
        ("consent_at", "2026-03-05", "it lies in the future"),
        ("consent_at", "0001-01-01", "it lies before 1970"),
        ("consent_how", "x" * 61, "it has 61 characters"),
        ("external_id", "x" * 121, "it has 121 characters"),
        ("name", "x" * 201, "it has 201 characters"),
    ],
)
def test_a_bad_cell_names_line_column_value_reason_and_way_out(column, value, why):
    also = "phone2" if column == "phone" else "phone"
    result = load(f"{column},{also}\n{value},5125550142\n")

    refusal = result.refused[0]
    assert (refusal.line, refusal.column, refusal.value) == (2, column, value)
    assert why in refusal.why
    assert refusal.remedy.endswith(".")
    assert not Contact.objects.exists()


def test_every_fault_of_a_line_is_told():
    result = load("phone,email,stage\n12,robin@,vip\n")

    assert [each.column for each in result.refused] == ["phone", "email", "stage"]
    assert result.refused_lines == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,phone\nRobin,\n", "no phone, email or external_id"),
        ("phone,name\n5125550142,Lee, Robin\n", "more cells than the first line has names"),
        ("phone,consent\n5125550142,sms\n", "does not say how consent was given"),
    ],
)
def test_a_line_that_makes_no_sense_as_a_whole_is_refused(text, why):
    assert why in load(text).refused[0].why


def test_refused_lines_are_left_out_and_the_others_imported():
    result = load('name,phone\n"Robin\nLee",5125550142\nBad,12\nSam,5125550143\n')

    assert counts(result) == (2, 0, 0, 1)
    assert result.refused[0].line == 4  # the first name takes two lines


def test_strict_keeps_the_whole_file_out():
    result = load("phone\n5125550142\n12\n", strict=True)

    assert not result.written
    assert not Contact.objects.exists()


def test_a_test_run_tells_the_same_and_writes_nothing():
    result = load("phone\n5125550142\n12\n", dry_run=True, consent=["sms"], how="Web form")

    assert counts(result) == (1, 0, 0, 1)
    assert result.consents == 1
    assert not result.written
    assert not ContactList.objects.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "file is empty"),
        (b"\n\n", "file is empty"),
        (b"name,city\nRobin,Austin\n", "No column is named phone, email or external_id"),
        (b"phone,Phone\n1,2\n", "Two columns are named phone"),
        (b"Mobile,Phone number\n1,2\n", "Two columns are named phone: “Mobile” and “Phone number”"),
        ("name,phone\nRobin".encode("utf-16")[:-1], "is not UTF-16"),
        (b"phone,name\n5125550142,caf\xe9\n", "Line 2 is not UTF-8"),
        (b"PK\x03\x04\0\0phone", "no Excel workbook"),
        (b"phone\0", "not a text file"),
        (b'phone,name\n5125550142,"Robin\n', "Check the quotation marks"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content, why):
    with pytest.raises(UnreadableFile, match=why):
        load(content)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"region": "XX"}, "is no country"),
        ({"consent": ["fax"], "how": "x"}, "is no channel"),
        ({"consent": ["sms"]}, "Say how consent was given"),
        ({"contact_list": " "}, "needs a name"),
    ],
)
def test_impossible_options_are_refused(options, why):
    with pytest.raises(UnreadableFile, match=why):
        load("phone\n5125550142\n", **options)


def test_a_database_error_leaves_nothing_behind(monkeypatch):
    def insert(model, made):
        if model is Consent:
            raise DatabaseError("disk full")
        row_writing.insert(model, made)

    monkeypatch.setattr(import_plan, "insert", insert)

    with pytest.raises(DatabaseError):
        load("phone\n5125550142\n", consent=["sms"], how="Web form")

    assert not Contact.objects.exists()
    assert not ContactList.objects.exists()


def test_thousands_of_lines_cost_few_queries(django_assert_max_num_queries):
    text = "phone,name\n" + "".join(f"+1512{2000000 + n},Person {n}\n" for n in range(3_000))
    with django_assert_max_num_queries(120):
        assert load(text).added == 3_000

    with django_assert_max_num_queries(120):
        assert load(text.replace("Person", "Someone")).updated == 3_000

    assert Contact.objects.filter(name__startswith="Someone").count() == 3_000


# ---- The command --------------------------------------------------------------------------------------------


def command(tmp_path, text, *options, capsys):
    file = tmp_path / "people.csv"
    file.write_text(text)
    code = 0
    try:
        call_command("import_contacts", str(file), "--list", "Spring fair", *options)
    except SystemExit as left:
        code = left.code
    return code, capsys.readouterr().out


def test_the_help_names_every_column_with_its_meaning(capsys):
    with pytest.raises(SystemExit):
        ManagementUtility(["manage.py", "import_contacts", "--help"]).execute()

    out = capsys.readouterr().out
    assert all(f"  {name:<13}{meaning}\n" in out for name, meaning in COLUMNS.items())


def test_the_documents_name_every_column():
    text = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()

    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def test_the_command_reports_counts_and_every_refused_line(tmp_path, capsys):
    code, out = command(
        tmp_path, "phone\n5125550142\n12\n", "--consent", "sms,email", "--how", "Web form", capsys=capsys
    )

    assert code == 0
    assert "Line 3, phone “12”: it is too short. Write it with country code" in out
    assert "2 lines: 1 added, 0 updated, 0 unchanged, 1 refused; 2 consents." in out


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("phone\n5125550142\n", [], 0),
        ("phone\n5125550142\n", ["--dry-run"], 0),
        ("phone\n12\n", [], 1),
        ("phone\n5125550142\n12\n", ["--strict"], 1),
        ("phone\n", [], 1),
    ],
)
def test_the_exit_code_says_whether_anything_was_imported(tmp_path, capsys, text, options, code):
    assert command(tmp_path, text, *options, capsys=capsys)[0] == code


def test_the_command_says_what_it_made_of_the_columns_and_takes_the_order_of_dates(tmp_path, capsys):
    text = "phone,consent_at,SMS opt in,city\n5125550142,03/04/2025,yes,Austin\n"

    code, out = command(tmp_path, text, "--dates", "day-first", capsys=capsys)

    assert code == 0
    assert "Column 3, “SMS opt in”, looks like consent and was not read." in out
    assert "Taken as merge fields: city." in out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--consent", "fax", "--how", "x"], "fax"),
        (["--consent", "sms"], "Say how"),
        (["--region", "nowhere"], "NOWHERE"),
    ],
)
def test_the_command_refuses_impossible_options_in_a_sentence(tmp_path, capsys, options, why):
    with pytest.raises(CommandError, match=why):
        command(tmp_path, "phone\n5125550142\n", *options, capsys=capsys)


def test_the_command_says_when_there_is_no_such_file():
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_contacts", "/nowhere/people.csv", "--list", "Spring fair")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans without statistics.")
def test_the_database_counts_the_rows_of_a_large_import_at_once(monkeypatch):
    monkeypatch.setattr(importing, "MANY", 3)

    load("phone\n" + "".join(f"+1512555{n}\n" for n in range(1000, 1005)))

    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'contacts_contact'::regclass")
        assert cursor.fetchone()[0] == 5


def test_a_workbook_is_taken_as_well():
    result = load(workbook([["name", "phone"], ["Robin Lee", 15125550142], ["Kim Day", "512 555"]]))

    assert counts(result) == (1, 0, 0, 1)
    assert "Line 3, phone" in refusals(result)[0]
