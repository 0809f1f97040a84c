"""Kannel, the open SMS gateway. https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html

Messages go to smsbox's sendsms interface, by POST with X-Kannel headers. Reports come by GET to an address in which
Kannel fills in the escapes of `REPORT`. Kannel's own configuration needs, for what people write (and no reply to
them from here: max-messages = 0),

    group = sms-service
    keyword = default
    catch-all = true
    max-messages = 0
    get-url = "https://…/hooks/TOKEN/inbound?k=SECRET&from=%p&to=%P&text=%b&charset=%C&coding=%c&t=%T&i=%I"

and in its sendsms-user `concatenation = true` and a `max-messages` for long texts. Of those only the first part is
reported on.
"""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.segments import GSM, size
from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.alphabets import GSM as GSM_SEPTETS
from deliveries.providers.kit.alphabets import LATIN, UCS2, decoded, from_hex, named, readable
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.http import post, refused
from deliveries.providers.kit.parsing import (
    LONGEST_WORD,
    FieldReader,
    clean,
    epoch,
    form,
    pairs,
    query_of,
    reference,
)
from deliveries.providers.smpp import ReceiptFields, command_status, lasting, receipt_fields

# Event, the centre's answer, its id, Kannel's id, Unix time, recipient, the route.
REPORT = "&d=%d&a=%A&f=%F&i=%I&t=%T&p=%p&smsc=%i"
ALL_EVENTS = "31"
EVENTS = {"1", "2", "4", "8", "16", "32"}
# What Kannel makes of a centre's words; of every other word it makes 2.
MADE_OF = {"DELIVRD": "1", "ACCEPTD": "4", "ENROUTE": "4", "ACKED": "4", "BUFFRED": "4", "BUFFERD": "4"}
# Its own numbers (%c), and those of SMPP that some configurations fill in instead.
CODINGS = {"0": GSM_SEPTETS, "1": LATIN, "2": UCS2, "3": LATIN, "8": UCS2}


class Kannel(Unsigned):
    slug = "kannel"
    name = "Kannel"
    channels = frozenset({"sms"})
    credential_fields = {
        "base_url": "Address of smsbox, such as http://127.0.0.1:13013",
        "username": "Username of the sendsms-user",
        "password": "Password of the sendsms-user",
    }
    tables = ("kannel", "smpp")
    # With 204 a smsbox that retries would come again; words are only sent on to people where max-messages is not 0.
    answer = b"OK"

    def parse(self, kind: str, call: Call) -> list[Report | Inbound]:
        raw = call.body if call.method == "POST" and call.body else call.query.encode("utf-8", "replace")
        if kind == "inbound":
            return [inbound(raw)]
        return [report(reference(query_of(call).get("m")), form(raw))]

    async def send(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult:
        body = size(message.body)
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": credentials["username"],
            "X-Kannel-Password": credentials["password"],
            "X-Kannel-From": message.sender,
            "X-Kannel-To": message.to,
            "X-Kannel-Coding": "0" if body.encoding == GSM else "2",
            "X-Kannel-DLR-Mask": ALL_EVENTS,
            # Whatever is escaped in our address must not be taken for an escape of Kannel's.
            "X-Kannel-DLR-Url": message.callback.replace("%", "%%") + REPORT,
        }
        answer = await post(
            client,
            credentials["base_url"].rstrip("/") + "/cgi-bin/sendsms",
            content=message.body.encode(),
            headers=headers,
        )
        if isinstance(answer, SendResult):
            return answer
        if answer.is_success:
            return SendResult(True, segments=body.segments)
        words = answer.text.strip()
        known = words.isprintable() and len(words) <= LONGEST_WORD and not words.startswith("<")
        return refused(words if known else f"http:{answer.status_code}", f"HTTP {answer.status_code}")


def report(ref: str, fields: FieldReader) -> Report:
    """`d` says what Kannel made of it; the centre's own word, where it agrees, says more."""
    event, text = fields.required_str("d"), fields.text("a")
    centre = receipt_fields(text)
    status = status_of(event, centre)
    return Report(
        ref=ref,
        provider_message_id=fields.id("f", "i", required=False),
        channel="sms",
        native_status=status,
        native_code=refusal(text) if event == "16" else centre.err[:LONGEST_WORD],
        native_text=text,
        occurred_at=epoch(fields.get("t")),
        address=fields.phone_number("p"),
        lasting=lasting(status),
    )


def status_of(event: str, centre: ReceiptFields) -> str:
    if event not in EVENTS:
        return f"d={event}"[:LONGEST_WORD]  # a bare number would be taken for a state of SMPP
    agrees = MADE_OF.get(centre.stat.upper(), "2") == event and centre.stat.isprintable()
    return centre.stat[:LONGEST_WORD] if centre.stat and agrees else event


def refusal(text: str) -> str:
    """Why the centre refused it at once: `NACK/0x0000000b/Invalid Destination Address`, or words of Kannel's own."""
    prefix, _, reason = text.partition("/")
    if prefix != "NACK":
        return ""
    number = reason.partition("/")[0]
    code = command_status(number) if number.lower().startswith(("0x", "esme_")) else text
    return code[:LONGEST_WORD] if code.isprintable() else ""


def inbound(raw: bytes) -> Inbound:
    fields = form(raw)
    return Inbound(
        sender=fields.address("from", required=True),  # national or not, as the centre is set up
        recipient=fields.address("to"),
        channel="sms",
        text=clean(written(fields, dict(reversed(pairs(raw))).get(b"text", b""))),
        occurred_at=epoch(fields.get("t")),
        provider_message_id=fields.id("i", required=False),
    )


def written(fields: FieldReader, text: bytes) -> str:
    """The text in the encoding that `charset` or `coding` names; from hex digits where `binary` gives them."""
    encoding = named(fields.optional_str("charset"))
    coding = fields.optional_str("coding")
    if binary := from_hex(fields.text("binary")):
        return decoded(binary, CODINGS.get(coding, named(coding)) or encoding or LATIN)
    return decoded(text, encoding) if encoding else readable(text, CODINGS.get(coding, named(coding)))
