"""Lines of erased people in uploaded files: found in whatever spelling, and no more than theirs lost."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contacts import erased_files, import_runs
from contacts.models import Contact, ContactImport, FileErasure, ImportChunk, Suppression
from dashboard.contacts.imports import _refused_lines
from deliveries.deciding.erasing import erase_person
from tests import factories
from tests.contacts.test_import_runs import imported, run_all, upload

pytestmark = pytest.mark.django_db


def person(*, phone="", email="", **more):
    made = factories.contact(**{"name": "Ada Love", "external_id": ""} | more)
    if phone:
        factories.phone(made, value=phone)
    if email:
        factories.email(made, value=email)
    return made


def erase(contact):
    assert erase_person(contact.pk, by=factories.user("admin"), reason="", now=timezone.now())


def left_of(cell, **theirs):
    """What is left of a line with this cell, when everything was emptied."""
    contact = person(**theirs)
    one = upload(f'name,phone,note\nBea,(512) 555-0143,\nX,,"{cell}"\n', uses=["name", "phone", "field"])
    erase(contact)
    erased_files.run(timezone.now())
    return any(one.chunks.get().rows()[1].cells)


# ---- In whatever spelling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("sean.o'neil@example.com", "sean.o'neil@example.com"),
        ("sean.o'neil@example.com", "Sean <Sean.O'Neil@Example.com>"),
        ("sean.o'neil@example.com", "'sean.o'neil@example.com'"),
        ("a/b@example.com", "mailto:a/b@example.com"),
        ("ada@example.com", "“ada@example.com”"),
        ("ada@example.com", "{ada@example.com}"),
        ("ada@example.com", "ada@example.com!"),
        ("ada@example.com", "home/ada@example.com"),
        ("ada@example.com", "to=ada@example.com?subject=x"),
        ("ada@example.com", "-ada@example.com-"),
        ("ada@example.com", "bea@example.com/ada@example.com."),
        ("ada@example.com", "ada%40example.com"),
        ("ada@example.com", "ada @ example.com"),
        ("ada@example.com", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("ada@example.com", "ada\u200b@example.com"),
        ("ada@münchen.example.com", "Ada <ada@xn--mnchen-3ya.example.com>"),
        ("ada@münchen.example.com", "ADA@MÜNCHEN.example.com"),
        ("ada.love@gmail.com", "Ada <adalove+list@googlemail.com>"),
    ],
)
def test_an_email_is_found(value, cell):
    assert not left_of(cell, email=value)


@pytest.mark.parametrize(
    "cell",
    [
        "o'ada@example.com", "bea.ada@example.com", "bea-ada@example.com", "nada@example.com",
        "ada@example.com.au", "ada@example.company", "ada@example.com-x.org", "ada@xample.com", "@example.com",
    ],
)  # fmt: skip
def test_an_email_that_goes_on_is_somebody_elses(cell):
    assert left_of(cell, email="ada@example.com")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("+4532123456", "32 12 34 56"),
        ("+4532123456", "32123456"),
        ("+4532123456", "+45 32 12 34 56"),
        ("+4532123456", "004532123456"),
        ("+4532123456", "45-32123456 or at work"),
        ("+4532123456", "tel:%2B4532123456"),
        ("+4532123456", "３２１２３４５６"),
        ("+4532123456", "٣٢١٢٣٤٥٦"),
        ("+4740612345", "406 12 345"),
        ("+6581234567", "8123 4567"),
        ("+85251234567", "5123-4567"),
        ("+37251234567", "5123 4567"),
        ("+3725123456", "512 3456"),
        ("+37121234567", "21 234 567"),
        ("+3546111234", "611 1234"),
        ("+3589123456", "09 123456"),
        ("+3589123456", "+358 (0)9 123456"),
        ("+298212345", "212345"),
        ("+5511987654321", "(11) 8765-4321"),
        ("+5511987654321", "+55 11 98765 4321"),
        ("+5491123456789", "011 15-2345-6789"),
        ("+5215512345678", "55 1234 5678"),
        ("+525512345678", "+52 1 55 1234 5678"),
        ("+79123456789", "8 (912) 345-67-89"),
        ("+442079460958", "+44 (0)20 7946 0958"),
        ("+390612345678", "06 1234 5678"),
        ("+12125550142", "212-555-0142"),
        ("+12125550142", "555-0100 / 2125550142"),
    ],
)
def test_a_number_is_found(value, cell):
    assert not left_of(cell, phone=value)


@pytest.mark.parametrize(
    "cell", ["32123457", "832123456", "321234567", "2026-13-21 23:45:6", "123456", "3212"]
)
def test_a_short_number_within_another_is_somebody_elses(cell):
    assert left_of(cell, phone="+4532123456")


@pytest.mark.parametrize(
    ("titles", "line", "options", "theirs"),
    [
        ("name,email", "Sean O'Neil,sean.o'neil@example.com", {}, {"email": "sean.o'neil@example.com"}),
        ("name,email", "Ada,ａｄａ@ｅｘａｍｐｌｅ．com", {}, {"email": "ada@example.com"}),
        ("name,phone", "Bo,32 12 34 56", {"region": "DK"}, {"phone": "+4532123456"}),
        ("name,phone", "Bo,11 8765-4321", {"region": "BR"}, {"phone": "+5511987654321"}),
        ("name,phone", "Bo,0412 34567", {"region": "FI"}, {"phone": "+35841234567"}),
    ],
)
@pytest.mark.parametrize("worker_first", [True, False])
def test_an_import_that_waits_makes_nobody_anew(titles, line, options, theirs, worker_first):
    contact = person(**theirs)
    one = upload(f"{titles}\n{line}\n", **options)
    erase(contact)
    if worker_first:
        erased_files.run(timezone.now())

    assert import_runs.start(one, timezone.now())
    run_all(one)

    assert not Contact.objects.filter(erased_at=None).exists()


# ---- What such a line says no to --------------------------------------------------------------------------------

NO = "name,phone,email,Opted out\nBo,+4532123456,bo@example.com,yes\nKim,+4532123457,,\n"
USES = ["name", "phone", "email", "opt_out"]


def blocked(value):
    """Whether somebody new with this address is blocked."""
    contact = factories.contact(name="Bo again")
    address = (factories.email if "@" in value else factories.phone)(contact, value=value)
    return (
        Suppression.objects.in_force(timezone.now()).filter(match_key=address.match_key, channel="").exists()
    )


@pytest.mark.parametrize("worker_first", [True, False])
def test_the_no_of_whoever_had_their_number_is_kept_for_when_it_comes_back(worker_first):
    ada = person(phone="+4532123456")
    one = upload(NO, uses=USES)
    erase(ada)
    if worker_first:
        erased_files.run(timezone.now())

    assert import_runs.start(one, timezone.now())
    run_all(one)
    erased_files.run(timezone.now())

    assert one.opt_outs == 2
    assert not Suppression.objects.filter(value__in=["+4532123456", "bo@example.com"]).exists()
    assert blocked("+4532123456")
    assert blocked("bo@example.com")


@pytest.mark.parametrize("worker_first", [True, False])
def test_the_no_of_somebody_who_has_their_number_too_holds_at_once(worker_first):
    ada, bo = person(phone="+4532123456"), person(phone="+4532123456", name="Bo")
    one = upload(NO, uses=USES)
    erase(ada)
    if worker_first:
        erased_files.run(timezone.now())

    assert import_runs.start(one, timezone.now())
    run_all(one)

    in_force = Suppression.objects.in_force(timezone.now())
    assert in_force.filter(value=bo.addresses.get().value, channel="").exists()


def test_a_no_is_read_by_its_title_where_nobody_has_said_how_columns_are_read():
    ada = person(phone="+12125550142")
    one = upload("name,phone,Opted out\nBo,212 555 0142,yes\n")
    ContactImport.objects.filter(pk=one.pk).update(options={})
    erase(ada)

    erased_files.run(timezone.now())

    assert blocked("+12125550142")


def test_an_import_that_is_over_records_nothing_more():
    ada = person(phone="+4532123456")
    one = imported(NO, uses=USES)
    erase(ada)
    before = Suppression.objects.count()

    erased_files.run(timezone.now())

    assert Suppression.objects.count() == before
    one.refresh_from_db()
    assert one.opt_outs == 2


# ---- A name alone -----------------------------------------------------------------------------------------------


def test_a_line_with_their_name_alone_is_emptied_when_it_is_refused_later():
    ada = person(phone="+12125550142")
    one = upload("name,phone\nAda Love,212\nBea,512\nADA LOVE,(512) 555-0143\n")
    erase(ada)
    erased_files.run(timezone.now())
    assert FileErasure.objects.get().finished_at

    assert import_runs.start(one, timezone.now())
    run_all(one)

    chunk = one.chunks.get()
    assert [row.cells for row in chunk.rows()] == [["", ""], ["Bea", "512"]]
    assert "212" not in str([chunk.reasons(), one.faults])
    assert Contact.objects.filter(name="ADA LOVE").exists()  # who may be somebody else


# ---- Many erasures, and files that are read meanwhile -------------------------------------------------------------


def test_erasures_that_wait_go_through_the_parts_together(monkeypatch):
    people = [person(phone=f"+1212555014{n}", name=f"P{n}") for n in range(5)]
    files = [
        imported(f"name,phone\nBea,51{n}\nX,212 555 014{n} or home\n", uses=["name", "phone"])
        for n in range(3)
    ]
    for each in people:
        erase(each)
    read = []
    rows = ImportChunk.rows
    monkeypatch.setattr(ImportChunk, "rows", lambda chunk: read.append(chunk.pk) or rows(chunk))

    assert erased_files.run(timezone.now()) == 3

    assert len(read) == 3
    assert {(one.looked, bool(one.finished_at)) for one in FileErasure.objects.all()} == {(3, True)}
    monkeypatch.undo()
    for n, one in enumerate(files):
        assert [row.cells for row in one.chunks.get().rows()] == [["Bea", f"51{n}"], ["", ""]]


def test_an_erasure_that_comes_later_holds_up_none_and_misses_no_part(monkeypatch):
    files = [
        imported(f"name,phone\nX,212 555 014{n} or home\n", uses=["name", "phone"]) for n in (1, 2, 1, 2)
    ]
    first, second = person(phone="+12125550141", name="P"), person(phone="+12125550142", name="Q")
    erase(first)
    assert [erased_files._go_on(timezone.now()) for _ in range(2)] == [1, 1]
    erase(second)

    assert erased_files._go_on(timezone.now()) == 1
    assert sorted(FileErasure.objects.values_list("looked", flat=True)) == [0, 3]
    erased_files.run(timezone.now())

    assert not any(any(row.cells) for one in files for row in one.chunks.get().rows())


def test_a_file_of_refused_lines_leaves_out_who_is_erased_while_it_is_written():
    ada = person(phone="+12125550142")
    one = imported("name,phone\nBea,512\n", uses=["name", "phone"])
    chunk = one.chunks.get()
    more = "name,phone\nAda,212 555 0142 or home\n"
    other = imported(more, uses=["name", "phone"]).chunks.get()
    ImportChunk.objects.filter(pk=other.pk).update(contact_import=one, number=chunk.number + 1)
    lines = _refused_lines(one)
    written = next(lines) + next(lines)
    assert "Bea" in written

    erase(ada)
    erased_files.run(timezone.now())

    assert "212" not in "".join(lines)
