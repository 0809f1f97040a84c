from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, Report, SendResult
from tests.deliveries.providers.handing import REF, against, message

KANNEL = PROVIDERS["kannel"]
CREDENTIALS = {
    "base_url": "http://127.0.0.1:13013/",
    "username": "waybill",
    "password": "not-a-real-password",
}
TAKEN = (202, "0: Accepted for delivery")


def send(*answers, **changes):
    return against(KANNEL.send, message(**changes), CREDENTIALS, *answers)


def test_a_message_goes_to_the_sendsms_interface_with_every_event_asked_for():
    handover, (request,) = send(TAKEN)

    kept = {name: value for name, value in request.headers.items() if name.startswith("x-kannel")}
    assert handover == SendResult(True, segments=1)
    assert str(request.url) == "http://127.0.0.1:13013/cgi-bin/sendsms"
    assert request.content == b"Hello & welcome"
    assert request.headers["content-type"] == "text/plain; charset=UTF-8"
    assert kept.pop("x-kannel-dlr-url").startswith(message().callback)
    assert kept == {
        "x-kannel-username": "waybill",
        "x-kannel-password": "not-a-real-password",
        "x-kannel-from": "+12105550100",
        "x-kannel-to": "+12105550142",
        "x-kannel-coding": "0",
        "x-kannel-dlr-mask": "31",
    }


def test_escapes_of_our_own_address_are_kept_apart_from_those_kannel_fills_in():
    ours = f"https://waybill.example.com/hooks/tok/status?m={REF}&c=sms&k=s%C3%A9cret"

    _, (request,) = send(TAKEN, callback=ours)

    pattern = request.headers["x-kannel-dlr-url"]
    filled = (
        pattern.replace("%%", "\x00").replace("%d", "1").replace("%p", "%2B12105550142").replace("\x00", "%")
    )
    fields = parse_qs(urlsplit(filled).query)
    assert (fields["k"], fields["m"], fields["d"], fields["p"]) == (
        ["sécret"],
        [REF],
        ["1"],
        ["+12105550142"],
    )


@pytest.mark.parametrize(
    ("body", "coding", "parts"),
    [
        ("x" * 160, "0", 1),
        ("x" * 161, "0", 2),
        ("Grüße, £5 & ñ", "0", 1),
        ("€" * 81, "0", 2),
        ("Спасибо", "2", 1),
        ("`", "2", 1),
        ("ж" * 71, "2", 2),
        ("😀" * 36, "2", 2),
        ("", "0", 0),
        ("x" * 152 + "€" + "x" * 152, "0", 3),
    ],
)
def test_a_text_outside_the_short_alphabet_travels_as_ucs2(body, coding, parts):
    handover, (request,) = send((202, "3: Queued for later delivery"), body=body)

    assert (handover.accepted, handover.segments) == (True, parts)
    assert request.headers["x-kannel-coding"] == coding
    assert request.content.decode() == body


ACCOUNT = ("rejected", "account", "account")


@pytest.mark.parametrize(
    ("answer", "code", "meaning"),
    [
        ((403, "Authorization failed for sendsms"), "Authorization failed for sendsms", ACCOUNT),
        ((403, "Not routable. Do not try again."), "Not routable. Do not try again.", ACCOUNT),
        ((400, "Sender missing and no global set, rejected\n"), "Sender missing and no global set, rejected",
         ("rejected", "permanent", "sender")),
        ((400, "Something new, rejected"), "Something new, rejected", ("rejected", "unknown", "none")),
        ((404, "<html><title>nginx</title>"), "http:404", ("rejected", "unknown", "none")),
    ],
)  # fmt: skip
def test_a_refusal_keeps_the_words_of_smsbox(answer, code, meaning):
    handover, _ = send(answer)

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert shipped().translate("kannel", report).meaning[:3] == meaning


@pytest.mark.parametrize("answer", [(503, "Temporal failure, try again later."), httpx.ConnectError])
def test_what_smsbox_cannot_take_now_is_sent_later(answer):
    assert send(answer)[0].retry_after == 30


@pytest.mark.parametrize("answer", [httpx.ReadTimeout, (500, "Sending failed."), (502, "")])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


def test_kannel_hears_ok_and_does_not_come_again():
    """A smsbox with `http-request-retry` repeats whatever is answered with anything but 200 or 202."""
    assert KANNEL.reply("status", None) == ("text/plain", b"OK")
