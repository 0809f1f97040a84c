import pytest

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.providers.smpp import command_status, said
from deliveries.receiving.translation import shipped
from tests.handing import against, message

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
        ("NACK/0x0000000b/Invalid Destination Address", ("", "", "", "")),
    ],
)  # fmt: skip
def test_the_text_of_a_receipt_is_read_by_its_keys(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    ("given", "written"),
    [("11", "0x0000000B"), ("0x0000000b", "0x0000000B"), ("0xB", "0x0000000B"), ("0", "0x00000000"),
     ("1061", "0x00000425"), ("ESME_RINVDSTADR", "ESME_RINVDSTADR"), ("", "")],
)  # fmt: skip
def test_a_command_status_is_compared_as_a_number(given, written):
    assert command_status(given) == written


def test_a_gateway_that_only_reports_refuses_to_send():
    handover, asked = against(SMPP.send, message(), {})

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, asked) == (False, None, [])
    assert shipped().translate("smpp", report).meaning[:3] == ("rejected", "account", "account")
