"""TwiML and the callbacks of calls that follow it: Twilio's, and Telnyx's TeXML, which copies them.

https://www.twilio.com/docs/voice/twiml and https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs.
Plivo's scripts have the same shape under other names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from deliveries.providers.facts import Act, OutboundMessage, Report
from deliveries.providers.kit.parsing import FieldReader, clean

# "Answered" and "over": only then does AnsweredBy say who it was.
PICKED_UP = {"in-progress", "completed"}
# The answer to a key: nothing more to say. An empty body would be no script, and an error to the caller's ear.
NO_MORE = ("text/xml", b"<Response/>")


def script(message: OutboundMessage, say: str = "Say", gather: str = "Gather", **attributes: str) -> str:
    """What a call plays or says; when keys are asked for, inside an element that reports one to our `keys` address."""
    if message.media_url:
        verb = f"<Play>{escape(message.media_url)}</Play>"
    else:
        verb = f"<{say}>{escape(message.body)}</{say}>"
    if message.extra.get("keys"):
        asked = {"numDigits": "1", "action": message.callback_for("keys"), "method": "POST", **attributes}
        named = " ".join(f"{name}={quoteattr(value)}" for name, value in asked.items())
        verb = f"<{gather} {named}>{verb}</{gather}>"
    return f"<Response>{verb}</Response>"


def call_reports(
    ref: str, fields: FieldReader, code: str, text: str, at: datetime | None
) -> Iterator[Report]:
    """The call's state, and who answered as a fact of its own: it may come later, and by itself."""
    sid, to, who = fields.id("CallSid"), fields.address("To"), fields.prefixed_str("amd:", "AnsweredBy")
    status = fields.optional_str("CallStatus") if who else fields.required_str("CallStatus")
    if status and not (who == "amd:fax" and status in PICKED_UP):  # a fax that answered is nobody reached
        yield Report(ref, sid, "voice", status, code, text, address=to, occurred_at=at)
    if who and (not status or status in PICKED_UP):
        yield Report(ref, sid, "voice", who, address=to, occurred_at=at)


def call_text(fields: FieldReader) -> str:
    seconds = fields.get("CallDuration", "")
    text = fields.get("ErrorMessage", "")
    return clean(text or (f"{seconds} s" if seconds.isdigit() else ""))


def key_press(ref: str, fields: FieldReader, at: datetime | None = None) -> Act:
    sid, to, digits = fields.id("CallSid"), fields.address("To"), fields.optional_str("Digits")
    return Act("key_press", ref, sid, "voice", address=to, text=digits, occurred_at=at)
