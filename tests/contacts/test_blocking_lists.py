"""The opt-outs of another system: they block at once and for good, and nothing is released by them."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in
from contacts.models import Consent, Suppression
from contacts.suppressing import suppress
from deliveries.deciding import stopping
from deliveries.models import Outbox
from tests import factories

pytestmark = pytest.mark.django_db

MINE = "+12125550142"


@pytest.fixture
def run(tmp_path, capsys):
    """`run(text, *options)`: the command on a file with this text; (exit status, what it wrote)."""

    def command(text, *options, reason="asked"):
        file = tmp_path / "opt-outs.csv"
        file.write_text(text)
        try:
            call_command("suppress", str(file), "--reason", reason, *options)
        except SystemExit as left:
            return left.code, capsys.readouterr().out
        return 0, capsys.readouterr().out

    return command


def test_every_address_is_blocked_in_any_notation_and_for_everybody(run):
    phone = factories.phone(value=MINE)
    Consent.objects.create(contact=phone.contact, channel="sms", opted_in=True, how="Form")

    code, out = run(
        "Phone;E-Mail;City\n(212) 555-0142;Ada@Example.com;Austin\n;bob@example.com;\n", "--source", "Old"
    )

    assert (code, out) == (0, "Lines: 2. Addresses blocked: 3; blocked before: 0. Refused: 0.\n")
    said = {
        row.value: (row.reason, row.origin, row.channel, row.evidence) for row in Suppression.objects.all()
    }
    assert said == {
        MINE: ("asked", "recipient", "", "Old, line 2"),
        "ada@example.com": ("asked", "recipient", "", "Old, line 2"),
        "bob@example.com": ("asked", "recipient", "", "Old, line 3"),
    }
    latest = latest_consents([phone.contact_id])
    assert {channel: one.opted_in for (_, channel), one in latest.items()} == dict.fromkeys(
        ("sms", "mms", "voice", "rvm"), False
    )


def test_a_cell_that_is_no_address_is_refused_with_its_line_and_the_others_are_blocked(run):
    code, out = run('phone,email\n12,ada@example.com\n,\n2125550142,nobody\n,""\nx,\n')

    assert code == 1
    assert "  Line 2, phone “12”: it is too short. Write it with country code" in out
    assert "  Line 4, email “nobody”:" in out
    assert "  Line 6, phone “x”:" in out
    assert set(Suppression.objects.values_list("value", flat=True)) == {"ada@example.com", MINE}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("phone,Unsubscribed\n2125550142,yes\n2125550143,2024-03-01\n", "asked"),
        ("phone,Status\n2125550142,active\n2125550143,unsubscribed\n", "imported"),
    ],
)
def test_a_column_about_opt_outs_that_agrees_or_does_not_matter_is_in_nobodys_way(run, text, reason):
    assert "Addresses blocked: 2" in run(text, reason=reason)[1]


def test_a_test_run_tells_the_same_and_writes_nothing(run):
    _, output = run("phone\n2125550142\n", "--dry-run")
    _, done = run("phone\n2125550142\n")

    assert output == done + "Test run: nothing saved.\n"
    assert Suppression.objects.count() == 1


def test_the_same_again_adds_nothing(run):
    run("phone\n2125550142\n+1 212 555 0142\n")

    _, same = run("phone\n2125550142\n+1 212 555 0142\n")
    _, other = run("phone\n(212) 555-0142\n")

    assert "Addresses blocked: 0; blocked before: 1." in same
    assert "Nothing was added." in other
    assert (Suppression.objects.count(), Consent.objects.count()) == (1, 0)


def test_who_opted_in_again_is_blocked_by_another_file_but_not_by_the_same(run):
    factories.phone(value=MINE)
    later = timezone.now() + timedelta(minutes=1)
    run("phone\n2125550142\n")
    record_opt_in(value=MINE, channel="sms", how="Reply", evidence="START", at=later)

    run("phone\n2125550142\n")
    assert not Suppression.objects.in_force(later).exists()

    run("phone\n2125550142\n2125550143\n")
    assert Suppression.objects.in_force(later).filter(value=MINE).exists()


def test_nothing_is_released_and_every_ground_stands_for_itself(run):
    suppress(value=MINE, reason="staff", origin="staff", evidence="x", now=timezone.now())
    suppress(
        value=MINE, reason="asked", origin="recipient", channel="voice", evidence="x", now=timezone.now()
    )

    run("phone\n2125550142\n", reason="imported")
    run("phone\n2125550142\n", reason="asked")

    rows = Suppression.objects.filter(released_at=None).values_list("reason", "origin", "channel")
    assert sorted(rows) == [
        ("asked", "recipient", ""), ("asked", "recipient", "voice"), ("imported", "import", ""), ("staff", "staff", ""),
    ]  # fmt: skip


def test_what_waits_for_them_is_withdrawn(run):
    address = factories.phone(value=MINE)
    recipient = factories.recipient(factories.campaign(state="sending"), address.contact)
    message = factories.message(recipient, address=address, account=factories.account(), status="queued")
    Outbox.objects.create(
        message=message,
        campaign_id=message.campaign_id,
        account_id=message.account_id,
        sender_id=message.sender_id,
        due_at=timezone.now(),
    )

    run("phone\n2125550142\n")

    assert not Outbox.objects.exists()
    message.refresh_from_db()
    assert message.status == "canceled"


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_withdrawn_with_the_block_or_neither_happens(run, monkeypatch):
    """In no transaction of a test, as in the console."""
    address = factories.phone(value=MINE)
    recipient = factories.recipient(factories.campaign(state="sending"), address.contact)
    message = factories.message(recipient, address=address, account=factories.account(), status="queued")
    Outbox.objects.create(
        message=message,
        campaign_id=message.campaign_id,
        account_id=message.account_id,
        sender_id=message.sender_id,
        due_at=timezone.now(),
    )

    with monkeypatch.context() as broken:
        broken.setattr(stopping, "stop_paths", Mock(side_effect=DatabaseError("gone")))
        with pytest.raises(CommandError, match="The database refused, try again: gone"):
            run("phone\n2125550142\n")
    assert not Suppression.objects.exists()

    assert run("phone\n2125550142\n")[0] == 0
    assert Suppression.objects.exists()
    assert not Outbox.objects.exists()


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("", [], "The file is empty"),
        (
            "2125550142\n2125550143\n",
            [],
            "No column is named phone or email; the first line reads “2125550142”.",
        ),
        ("external_id\n7\n", [], "No column is named phone or email; the first line reads “external_id”."),
        ("Telefon\n2125550142\n", [], "No column is named phone or email; the first line reads “Telefon”."),
        ("city\n", [], "No column is named phone or email; the first line reads “city”."),
        ("phone\n2125550142\n", ["--region", "x"], "is no country"),
        (
            "phone,Unsubscribed\n2125550142,no\n2125550143,yes\n",
            [],
            "“Unsubscribed” the person on line 3 opted out",
        ),
        ("phone,Opt in\n2125550142,no\n2125550143,yes\n", [], "the one on line 3 did not"),
        ("phone,Status\n2125550142,active\n2125550143,unsubscribed\n", [], "leave only those who opted out"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_blocks_nobody(run, text, options, why):
    with pytest.raises(CommandError, match=why):
        run(text, *options)

    assert not Suppression.objects.exists()


def test_there_is_no_file(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("suppress", str(tmp_path / "none.csv"), "--reason", "asked")


def test_the_number_of_queries_does_not_grow_with_the_file(run, django_assert_max_num_queries):
    lines = "".join(f"212555{n:04d}\n" for n in range(100, 200))

    with django_assert_max_num_queries(40):
        run("phone\n" + lines)

    assert Suppression.objects.count() == 100
