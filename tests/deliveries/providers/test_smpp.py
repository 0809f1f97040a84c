import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.providers.kit.alphabets import decoded, smpp_coding
from deliveries.providers.smpp import STATES, command_status, moment, receipt_fields
from tests.deliveries.providers.handing import against, message

SMPP = PROVIDERS["smpp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id:1 sub:001 dlvrd:001 submit date:2603041659 done date:2603041700 stat:DELIVRD err:000 text:Hi",
         ("1", "DELIVRD", "", "2603041700")),
        ("ID:1 STAT:UNDELIV ERR:027", ("1", "UNDELIV", "027", "")),
        ("stat: EXPIRED err: text:", ("", "EXPIRED", "", "")),
        ("submit_date:2603041659 done_date:260304170001 stat:ENROUTE", ("", "ENROUTE", "", "260304170001")),
        ("id:a/b-c.d stat:REJECTD err:0x45", ("a/b-c.d", "REJECTD", "0x45", "")),
        ("text:id:1 stat:DELIVRD", ("", "", "", "")),
        ("msgid:5 substat:1", ("", "", "", "")),
        ("", ("", "", "", "")),
        ("The word DELIVRD alone", ("", "", "", "")),
        ("id:DELIVRD1 stat:UNDELIV", ("DELIVRD1", "UNDELIV", "", "")),
        ("id:5 stat:UNDELIV text:stat:DELIVRD", ("5", "UNDELIV", "", "")),
        ("NACK/0x0000000b/Invalid Destination Address", ("", "", "", "")),
    ],
)  # fmt: skip
def test_the_text_of_a_receipt_is_read_by_its_keys(text, expected):
    assert receipt_fields(text) == expected


@pytest.mark.parametrize(
    ("given", "written"),
    [("11", "0x0000000B"), ("0x0000000b", "0x0000000B"), ("0xB", "0x0000000B"), ("0", "0x00000000"),
     ("1061", "0x00000425"), ("ESME_RINVDSTADR", "0x0000000B"), ("esme_rinvdstadr", "0x0000000B"),
     ("RTHROTTLED", "0x00000058"), ("ESME_RINVTLVVAL", "0x000000C4"), ("ESME_ROK", "0x00000000"),
     ("ESME_RNOSUCHNAME", "ESME_RNOSUCHNAME"), ("", "")],
)  # fmt: skip
def test_a_command_status_is_compared_as_a_number(given, written):
    assert command_status(given) == written


def test_every_refusal_of_the_table_is_known_by_its_name():
    rows = [
        row for key, row in shipped().codes.items() if key.table == "smpp" and row.name.startswith("ESME_")
    ]

    numbers = {row.name: row.code for row in rows if row.code.startswith("0x")}
    assert len(numbers) > 60
    assert {name: command_status(name) for name in numbers} == numbers


def test_the_words_that_count_without_their_key_are_those_of_the_table():
    listed = {key.code.upper() for key in shipped().codes if key.table == "smpp" and key.kind == "status"}

    assert {word for word in listed if word.isalpha()} == STATES


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2603041700", "Europe/Berlin", "2026-03-04T16:00:00+00:00"),
        ("20260304170000", "Europe/Berlin", "2026-03-04T16:00:00+00:00"),
        ("2026-03-04 17:00", "Europe/Berlin", "2026-03-04T16:00:00+00:00"),
        ("2026-03-04T17:00:00Z", "Europe/Berlin", "2026-03-04T17:00:00+00:00"),
        ("260304170000004-", "Europe/Berlin", "2026-03-04T18:00:00+00:00"),
        ("1772643600000", "", "2026-03-04T17:00:00+00:00"),
        ("2026-13-40", "", None),
        ("20261340000000", "", None),
        ("soon", "", None),
    ],
)
def test_a_date_is_read_in_every_usual_form_by_the_centres_clock(text, zone, at):
    found = moment(text, zone)

    assert (found and found.isoformat()) == at


def test_a_gateway_that_only_reports_refuses_to_send():
    handover, asked = against(SMPP.send, message(), {})

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, asked) == (False, None, [])
    assert shipped().translate("smpp", report).meaning[:3] == ("rejected", "account", "account")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("STOP".encode("utf-16-be"), "STOP"),
        ("STOP".encode("utf-16-le"), "STOP"),  # by a gateway that swaps the octets
        ("STOP".encode("utf-16"), "STOP"),
        ("一".encode("utf-16-be"), "一"),
        ("Стоп".encode("utf-16-be"), "Стоп"),
        ("退订".encode("utf-16-be"), "退订"),
        (b"", ""),
    ],
)
def test_a_text_in_ucs_2_is_read_whichever_octet_comes_first(octets, text):
    assert decoded(octets, smpp_coding("8")) == text
