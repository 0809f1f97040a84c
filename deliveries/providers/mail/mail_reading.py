"""Reading raw mail from anybody: headers as plain text, the parts that matter, limits on everything.

Made with the standard library's parser and its modern policy, with one change: headers stay text. Its own header
classes raise on damaged headers, and even on deep brackets.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import EmailPolicy
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any, NamedTuple

from deliveries.providers.facts import Unreadable
from deliveries.providers.kit.parsing import clean

POLICY = EmailPolicy(header_factory=lambda name, value: value)
# A report is small; more than this is a picture in the returned mail, or an attack.
BYTES_MAX = 1_048_576
TYPES_MAX = 100
BOUNDARIES_MAX = 16  # each may be inside the one before it, and every line is compared with all of them
PARTS_MAX = 30
TEXT_MAX = 50_000
HEADER_MAX = 4_000
TYPES = re.compile(rb"content-type:", re.IGNORECASE)
BOUNDARIES = re.compile(rb"boundary[\s*\d]{0,9}=", re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z][\w-]{0,60})[ \t]*:[ \t]?(.*)")
TAGS = re.compile(
    r"<(?:style|script|head)\b.{0,5000}?</(?:style|script|head)\s*>|<[/!a-z][^<>]{0,2000}>", re.I | re.S
)
BREAKS = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li)\b[^<>]{0,200}>", re.I)
# What the parser may raise on a mail made to break it.
DAMAGE = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)

Fields = dict[str, str]
REPORT_FIELDS = ("message/delivery-status", "message/global-delivery-status")


class MailPart(NamedTuple):
    """One part: its type, and its text. That of a message inside begins with its headers."""

    type: str
    text: str


class Mail(NamedTuple):
    """A mail taken apart. Header names are lower case; of a repeated one the first counts."""

    headers: Fields
    type: str
    report_type: str
    parts: list[MailPart]

    def text_of(self, *types: str) -> str:
        """The text of the first part with one of these types; '' without."""
        return next((part.text for part in self.parts if part.type in types), "")

    @property
    def words(self) -> str:
        """What it says to people. A multipart mail without boundaries is taken as text."""
        return (
            self.text_of("text/plain") or plain(self.text_of("text/html")) or self.text_of("multipart/report")
        )

    @property
    def returned(self) -> str:
        """The headers, at least, of the mail that a report is about."""
        return self.text_of(
            "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"
        )

    @property
    def everything(self) -> str:
        return "\n".join(part.text for part in self.parts)

    @property
    def sender(self) -> str:
        return address_in(self.headers.get("from", ""))

    @property
    def at(self) -> datetime | None:
        return moment(self.headers.get("date", ""))


def read(body: bytes) -> Mail:
    """Take a mail apart. Raises Unreadable when it has no headers, or was built to be slow."""
    body = body[:BYTES_MAX].lstrip()
    if b"\n" not in body:
        body = body.replace(b"\r", b"\n")
    if body.startswith(b"From "):  # an mbox line that a mailbox left there
        body = body.partition(b"\n")[2]
    if len(TYPES.findall(body)) > TYPES_MAX or len(BOUNDARIES.findall(body)) > BOUNDARIES_MAX:
        raise Unreadable("mail: too many parts.")
    try:
        message = BytesParser(EmailMessage, policy=POLICY).parsebytes(body)
        headers = headers_of(message)
        parts = list(parts_of(message))[:PARTS_MAX]
        report_type = str(message.get_param("report-type", "") or "").lower()
        mail = Mail(headers, message.get_content_type(), report_type, parts)
    except DAMAGE as problem:
        raise Unreadable(f"mail: cannot be taken apart ({str(problem)[:80]!r}).") from problem
    if not {"from", "to", "subject", "date", "received", "content-type"} & set(headers):
        raise Unreadable("mail: no headers.")
    return mail


def headers_of(message: Message) -> Fields:
    found: Fields = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), decoded(str(value)))
    return found


def parts_of(message: Message) -> Iterator[MailPart]:
    """The parts from the top down. Of the messages inside, only a report that somebody passes on is looked into."""
    waiting = [message]
    reported = False
    while waiting:
        part = waiting.pop(0)
        content: Any = part.get_payload()
        reported = reported or part.get_content_type() in REPORT_FIELDS
        if not reported and (report := report_inside(part)) is not None:
            waiting = [report, *waiting]
        elif part.get_content_maintype() == "message":
            yield MailPart(part.get_content_type(), inside(part, content)[:TEXT_MAX])
        elif isinstance(content, list):
            waiting = [*content, *waiting]
        else:
            yield MailPart(part.get_content_type(), text_of(part)[:TEXT_MAX])


def report_inside(part: Message) -> Message | None:
    """The delivery report that a message/rfc822 part is; None when it is any other mail."""
    content: Any = part.get_payload()
    mail = content[0] if isinstance(content, list) and content else None
    if part.get_content_type() != "message/rfc822" or not isinstance(mail, Message):
        return None
    fields: Any = mail.get_payload() if mail.get_content_type() == "multipart/report" else None
    found = isinstance(fields, list) and any(each.get_content_type() in REPORT_FIELDS for each in fields)
    return mail if found else None


def inside(part: Message, content: Any) -> str:
    """The text of a message/* part as it was written; the parser has taken it apart like a mail."""
    blocks = content if isinstance(content, list) else [content]
    text = "\n\n".join(written(block) for block in blocks)
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    if encoding in ("base64", "quoted-printable"):
        again = Message()
        again["content-transfer-encoding"] = encoding
        again.set_payload(text.strip())
        return text_of(again)
    return as_text(text)


def written(block: Any) -> str:
    """Headers, an empty line, and whatever text follows."""
    if not isinstance(block, Message):
        return str(block or "")
    lines = [f"{name}: {value}" for name, value in block.raw_items()]
    content = block.get_payload()
    rest = content if isinstance(content, str) else ""
    return "\n".join(lines) + ("\n\n" if lines and rest else "") + rest


def text_of(part: Message) -> str:
    content: Any = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return as_text(str(content or ""))
    try:
        return clean(content.decode(part.get_content_charset() or "utf-8", "replace"))
    except DAMAGE:  # a character set that nobody knows
        return clean(content.decode("utf-8", "replace"))


def as_text(raw: str) -> str:
    """Text without the marks that the parser leaves in place of bytes that are no ASCII."""
    return clean(raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def decoded(value: str) -> str:
    """A header in one line, encoded words (RFC 2047) made readable."""
    value = " ".join(as_text(value[:HEADER_MAX]).split())
    if "=?" not in value:
        return value
    try:
        pieces = [
            piece.decode(charset or "utf-8", "replace") if isinstance(piece, bytes) else piece
            for piece, charset in decode_header(value)
        ]
    except DAMAGE:
        return value
    return clean("".join(pieces))


def plain(markup: str) -> str:
    """The words of an HTML text: nothing is rendered, followed or fetched."""
    return html.unescape(TAGS.sub(" ", BREAKS.sub("\n", markup)))


def blocks(text: str) -> list[Fields]:
    """Groups of `Name: value` lines with empty lines between, names in lower case; other lines are left out.

    A second Final-Recipient opens a group of its own: some servers forget the empty line. Others forget to fold what
    they quote: lines below a Diagnostic-Code that are no fields belong to it.
    """
    found: list[Fields] = [{}]
    name = ""
    for line in text.splitlines():
        field = FIELD.match(line)
        if not line.strip():
            found.append({})
            name = ""
        elif line[0] in " \t" and name:
            found[-1][name] = f"{found[-1][name]} {line.strip()}"[:HEADER_MAX]
        elif field:
            name = field[1].lower()
            if name == "final-recipient" and name in found[-1]:
                found.append({})
            found[-1].setdefault(name, field[2].strip()[:HEADER_MAX])
        elif name == "diagnostic-code":
            found[-1][name] = f"{found[-1][name]} {line.strip()}"[:HEADER_MAX]
    return [group for group in found if group]


# Most are like this, and the standard library reads addresses letter by letter.
_USUAL_ADDRESS = re.compile(
    r"(?:[\w .-]{0,80} <|<)?([\w.+=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})>?", re.ASCII
)


def address_in(header: str) -> str:
    """The address in a From or To header; '' when there is none."""
    usual = _USUAL_ADDRESS.fullmatch(header[:500])
    if usual:
        return usual[1]
    try:
        found = parseaddr(header[:500])[1]
    except DAMAGE:
        return ""
    return found if "@" in found and not any(each.isspace() for each in found) else ""


def moment(text: str) -> datetime | None:
    """A time as mail writes it (RFC 5322), in UTC; None for anything else."""
    try:
        at = parsedate_to_datetime(text[:100])
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
