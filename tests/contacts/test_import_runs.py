"""Imports in the background: what a file becomes, never half of it, and what undoing takes back."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts import import_files, import_runs
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in, record_opt_out
from contacts.headers import UnreadableFile
from contacts.import_columns import guessed_uses
from contacts.import_options import ImportOptions
from contacts.import_plan import are_two_names
from contacts.import_undo import undo
from contacts.models import Address, Consent, Contact, ContactImport, ImportedContact, Note, Suppression
from tests import factories
from tests.contacts.workbook import workbook

pytestmark = pytest.mark.django_db

FILE = "name,phone,email,SMS consent,Opted out,Shoe size\n"
ROBIN = "Robin Lee,(512) 555-0142,robin@example.com,yes,,42\n"
KIM = "Kim Day,512-555-0143,,no,,\n"
AGREED = ["name", "phone", "email", "agreed:sms", "opt_out", "field"]


def upload(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    draft = import_files.store_upload(io.BytesIO(content), name="people.csv", by=None, now=timezone.now())
    options = {
        "uses": guessed_uses(draft.titles),
        "region": "US",
        "list_name": "Fair",
        "fill_in": True,
    } | options
    draft.options = ImportOptions(**options).as_json()
    draft.save()
    return draft


def run_all(one):
    for _ in range(50):
        import_runs.run(timezone.now())
        one.refresh_from_db()
        if not one.is_under_way:
            return one
    raise AssertionError("It came to no end.")


def imported(text, **options):
    one = upload(text, **options)
    assert import_runs.start(one, timezone.now())
    return run_all(one)


def taken_back(one):
    assert undo(one, None, timezone.now())
    return run_all(one)


def counts(one):
    return (one.added, one.updated, one.unchanged, one.refused)


# ---- What is imported ---------------------------------------------------------------------------------------


def test_people_of_a_file_are_added_and_come_onto_the_list():
    one = imported(FILE + ROBIN + KIM)

    assert (one.state, counts(one)) == ("done", (2, 0, 0, 0))
    robin = Contact.objects.get(name="Robin Lee")
    assert sorted(robin.addresses.values_list("value", flat=True)) == ["+15125550142", "robin@example.com"]
    assert robin.attributes == {"shoe_size": "42"}
    assert one.contact_list.contacts.count() == 2


def test_consent_is_recorded_only_where_it_was_asked_for():
    imported(FILE + ROBIN)

    assert not Consent.objects.exists()


def test_consent_is_recorded_with_its_evidence():
    one = imported(
        FILE + ROBIN + KIM, uses=AGREED, how="Web form", when="2026-01-02", wording="Yes, text me."
    )

    consent = Consent.objects.get()
    assert (consent.contact.name, consent.channel, consent.how) == ("Robin Lee", "sms", "Web form")
    assert consent.wording == "Yes, text me."
    assert f"Import {one.pk} into Fair, line 2" in consent.evidence
    assert timezone.localtime(consent.at).date().isoformat() == "2026-01-02"


def test_an_unclear_yes_is_none():
    one = imported(FILE + "Robin,512 555 0142,,perhaps,,\n", uses=AGREED, how="Web form")

    assert not Consent.objects.exists()
    assert "no plain yes" in one.faults[0]["why"]
    assert not one.faults[0]["refused"]


def test_a_column_of_opt_outs_blocks_also_whoever_is_refused_otherwise():
    one = imported(FILE + "Robin,512 555 0142,bad@@,yes,x,\n" + KIM, uses=AGREED, how="Web form")

    assert counts(one) == (1, 0, 0, 1)
    assert one.opt_outs == 1
    assert Suppression.objects.get().value == "+15125550142"
    assert not Consent.objects.filter(opted_in=True).exists()


def test_a_plain_no_among_notes_blocks_where_that_was_chosen():
    text = "phone,notes\n512 555 0142,vip\n512 555 0143,vip; do not call\n"

    one = imported(text, uses=["phone", "says_no"])

    assert one.opt_outs == 1
    assert Suppression.objects.get().value == "+15125550143"


def test_an_opt_out_outlives_an_import_that_says_yes():
    record_opt_out(value="+15125550142", channel="sms", how="STOP", evidence="x", at=timezone.now())

    imported(FILE + ROBIN, uses=AGREED, how="Web form")

    assert not Consent.objects.filter(opted_in=True).exists()
    assert Suppression.objects.in_force(timezone.now()).exists()


@pytest.mark.parametrize("fill_in", [True, False])
def test_people_already_here_change_only_where_that_was_chosen(fill_in):
    known = factories.contact(name="Robin")
    known.addresses.all().delete()
    Address.objects.create(contact=known, kind="phone", value="+15125550142")

    one = imported(FILE + ROBIN, fill_in=fill_in)

    known.refresh_from_db()
    assert counts(one) == (0, 1, 0, 0)
    assert known.name == ("Robin Lee" if fill_in else "Robin")
    assert known.addresses.count() == (2 if fill_in else 1)
    assert known in one.contact_list.contacts.all()


def test_consent_with_an_address_that_is_not_taken_over_is_not_recorded():
    known = factories.contact(name="Robin")
    known.addresses.all().delete()
    Address.objects.create(contact=known, kind="phone", value="+15125550199")
    Address.objects.create(contact=known, kind="email", value="robin@example.com")

    one = imported(FILE + ROBIN, fill_in=False, uses=AGREED, how="Web form")

    assert not Consent.objects.exists()
    assert "do not have here" in one.faults[0]["why"]


def test_the_same_person_in_another_part_of_the_file_is_refused(monkeypatch):
    monkeypatch.setattr(import_files, "AT_ONCE", 1)

    one = imported(FILE + ROBIN + KIM + ROBIN)

    assert counts(one) == (2, 0, 0, 1)
    assert one.faults[0]["why"] == "it is the same person as line 2"


def test_faults_are_grouped_by_kind():
    one = imported(FILE + "A,12,,,,\nB,13,,,,\nC,,nobody@,,,\n" + KIM)

    assert one.refused == 3
    assert [(each["column"], each["count"]) for each in one.faults] == [("phone", 2), ("email", 1)]


def test_a_workbook_is_read_as_people_see_it():
    rows = [
        ["name", "phone", "member since"],
        ["Robin Lee", 15125550142.0, "2026"],
        ["Kim", "512-555-0143", ""],
    ]

    one = imported(workbook(rows))

    assert counts(one) == (2, 0, 0, 0)
    assert Address.objects.filter(value="+15125550142").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"name,phone\n", "nothing below"),
        (b"PK\x03\x04 no workbook", "no Excel workbook"),
        (b"name,phone\nJos\xe9,5125550142\n", "UTF-8"),
        (b'name,phone\n"Robin,5125550142\n', "quotation"),
        (b"\xd0\xcf\x11\xe0old", "old Excel"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_way_out(content, why):
    with pytest.raises(UnreadableFile, match=why):
        upload(content)

    assert not ContactImport.objects.exists()


# ---- Never half ---------------------------------------------------------------------------------------------


def test_nobody_is_on_the_list_before_all_are_in(monkeypatch):
    monkeypatch.setattr(import_files, "AT_ONCE", 1)
    monkeypatch.setattr(import_runs, "STEP_SECONDS", 0.0)
    one = upload(FILE + ROBIN + KIM)
    import_runs.start(one, timezone.now())

    import_runs._go_on(one.pk, timezone.now())

    one.refresh_from_db()
    assert one.done_lines == 1
    assert not one.contact_list.contacts.exists()


def test_an_import_that_fails_leaves_nobody_behind(monkeypatch):
    monkeypatch.setattr(import_files, "AT_ONCE", 1)
    real = import_runs.import_lines

    def fails(one, chunk, now):
        if chunk.number == 1:
            raise ValueError("a fault")
        return real(one, chunk, now)

    monkeypatch.setattr(import_runs, "import_lines", fails)

    one = imported(FILE + ROBIN + KIM)

    assert one.state == "failed"
    assert "after line 2" in one.failure
    assert not Contact.objects.exists()
    assert not one.contact_list.contacts.exists()


def test_it_is_started_once():
    one = upload(FILE + ROBIN)

    assert [import_runs.start(one, timezone.now()), import_runs.start(one, timezone.now())] == [True, False]


# ---- Undo ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [2_000, 1])
def test_each_line_that_says_no_of_one_number_counts(monkeypatch, at_once):
    """A number that a family shares: one wants no texts, another one no calls. A START to texts brings no calls."""
    monkeypatch.setattr(import_files, "AT_ONCE", at_once)
    known = factories.phone(value="+15125550142")
    for channel in ("sms", "voice"):
        record_opt_in(
            value=known.value, channel=channel, how="Form", evidence="", at=timezone.now() - timedelta(days=9)
        )
    text = "name,phone,SMS opt out,Call opt out\nA,512 555 0142,x,\nB,512 555 0142,,x\n"

    one = imported(text, uses=["name", "phone", "opt_out", "opt_out"])

    said = latest_consents([known.contact_id])
    assert not any(said[known.contact_id, channel].opted_in for channel in ("sms", "mms", "voice", "rvm"))
    assert one.opt_outs == 1


def test_a_first_line_that_is_not_text_is_refused_in_words():
    with pytest.raises(UnreadableFile, match="Line 1 is not text"):
        upload("na\0me,phone\nRobin,512 555 0142\n")


def test_who_was_merged_or_erased_meanwhile_comes_onto_no_list():
    one = upload(FILE + ROBIN + KIM + "Alex,512 555 0144,,,,\n")
    assert import_runs.start(one, timezone.now())
    assert import_runs._go_on(one.pk, timezone.now()) == 3
    stays = factories.contact()
    Contact.objects.filter(name="Robin Lee").update(merged_into=stays)
    Contact.objects.filter(name="Kim Day").update(erased_at=timezone.now())

    run_all(one)

    alex = Contact.objects.get(name="Alex")
    assert set(one.contact_list.contacts.all()) == {stays, alex}


def test_undoing_takes_away_whom_it_added_and_can_be_done_again():
    one = taken_back(imported(FILE + ROBIN + KIM, uses=AGREED, how="Web form"))

    assert (one.state, one.removed, one.kept) == ("undone", 2, 0)
    assert not Contact.objects.exists()
    assert imported(FILE + ROBIN + KIM).added == 2


def test_undoing_puts_back_what_it_changed():
    known = factories.contact(name="Robin", attributes={"city": "Austin"})
    known.addresses.all().delete()
    Address.objects.create(contact=known, kind="phone", value="+15125550142")
    old = Address.objects.create(contact=known, kind="email", value="old@example.com")

    one = imported(FILE + ROBIN, uses=AGREED, how="Web form")
    old.refresh_from_db()
    assert not old.preferred
    taken_back(one)

    known.refresh_from_db()
    old.refresh_from_db()
    assert (known.name, known.attributes, old.preferred) == ("Robin", {"city": "Austin"}, True)
    assert known.addresses.count() == 2
    assert not Consent.objects.exists()
    assert known not in one.contact_list.contacts.all()


def test_undoing_leaves_whoever_was_changed_since():
    one = imported(FILE + ROBIN + KIM)
    Note.objects.create(contact=Contact.objects.get(name="Kim Day"), text="Called.")

    taken_back(one)

    assert (one.removed, one.kept) == (1, 1)
    assert [each.name for each in Contact.objects.all()] == ["Kim Day"]
    assert ImportedContact.objects.get().kept == "changed"


def test_undoing_leaves_whoever_is_in_a_campaign():
    one = imported(FILE + ROBIN)
    factories.recipient(contact=Contact.objects.get())

    taken_back(one)

    assert Contact.objects.count() == 1
    assert ImportedContact.objects.get().kept == "sent"


def test_opt_outs_stay_when_it_is_undone():
    one = imported(FILE + "Robin,512 555 0142,,,x,\n")

    taken_back(one)

    assert not Contact.objects.exists()
    assert Suppression.objects.in_force(timezone.now()).get().value == "+15125550142"


def test_the_same_file_again_blocks_nobody_who_opted_in_since():
    text = FILE + "Robin,512 555 0142,,,x,\n"
    imported(text)
    Suppression.objects.update(released_at=timezone.now())

    one = imported(text)

    assert one.opt_outs == 0
    assert not Suppression.objects.in_force(timezone.now()).exists()


def test_a_file_that_nobody_imported_goes_and_what_undoes_an_import_stays():
    one = imported(FILE + ROBIN)
    draft = upload(FILE + KIM)

    import_runs.drop_old(timezone.now() + timedelta(days=31))

    assert not ContactImport.objects.filter(pk=draft.pk).exists()
    assert one.chunks.exists()  # that goes with all else that is old
    assert one.people.exists()
    assert Contact.objects.count() == 1


# ---- A line that names somebody else ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [
        ("Robin Lee", "Dana Lee", True),
        ("Robin Lee", "Rob Lee", False),
        ("Robin Lee", "LEE, Robin", False),
        ("Robin Lee", "R. Lee", False),
        ("Robin", "Robin Lee-Day", False),
        ("Robin Lee", "", False),
        ("", "Dana", False),
        ("王伟", "李娜", True),
    ],
)
def test_two_names_are_told_apart_and_two_spellings_are_not(one, other, two):
    assert are_two_names(one, other) is two


def agreeing(name, **more):
    return imported(
        f"name,phone,agreed\n{name},(512) 555-0142,yes\n", uses=["name", "phone", "agreed:sms"],
        how="Web form", wording="Text me.", when="2026-01-02", list_name="Two", **more,
    )  # fmt: skip


def test_what_the_file_says_of_somebody_else_is_no_consent_of_whom_the_number_belongs_to():
    robin = factories.contact(name="Robin Lee")
    factories.phone(robin, value="+15125550142")

    one = agreeing("Dana Day", fill_in=False)

    assert not Consent.objects.filter(contact=robin).exists()
    assert any(
        "names Dana Day" in str(each["why"]) or "somebody else" in str(each["why"]) for each in one.faults
    )


def test_a_nickname_is_the_same_person():
    robin = factories.contact(name="Robert Lee")
    factories.phone(robin, value="+15125550142")

    agreeing("Rob Lee", fill_in=False)

    assert Consent.objects.get(contact=robin).opted_in


def test_whoever_is_renamed_has_the_consent_of_the_file_and_not_of_the_one_before():
    robin = factories.contact(name="Robin Lee")
    factories.phone(robin, value="+15125550142")
    agreeing("Robin Lee", fill_in=True)

    agreeing("Dana Day", fill_in=True)

    robin.refresh_from_db()
    assert robin.name == "Dana Day"
    assert Consent.objects.filter(contact=robin, opted_in=True).count() == 2


def test_a_no_holds_for_whoever_the_number_is_renamed_to():
    robin = factories.contact(name="Robin Lee")
    factories.phone(robin, value="+15125550142")
    Consent.objects.create(contact=robin, channel="sms", opted_in=False, at=timezone.now(), how="Reply",
                           origin="recipient")  # fmt: skip

    agreeing("Dana Day", fill_in=True)

    assert not Consent.objects.filter(contact=robin, opted_in=True).exists()
