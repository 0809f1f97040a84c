"""A simulated SMS centre that speaks SMPP 3.4 to a real gateway: what it does with a message is decided beforehand.

Only what a gateway needs is here: it binds, submits, asks whether the link is alive, and unbinds; the centre answers
and reports. https://smpp.org/SMPP_v3_4_Issue1_2.pdf
"""

from __future__ import annotations

import itertools
import socketserver
import struct
import threading
from collections.abc import Sequence
from typing import NamedTuple

HEADER = struct.Struct(">LLLL")  # length, command, status, sequence
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x1, 0x2, 0x9
SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x4, 0x5, 0x6, 0x15
ANSWER = 0x8000_0000
RECEIPT = 0x04  # esm_class: this is no message but a report on one
LONG = 0x40  # esm_class: the text begins with a header that says which part of a long one it is
UCS2 = 8
INTERNATIONAL = bytes([1, 1])
RECEIPTED_ID, STATE = 0x001E, 0x0427


class Submitted(NamedTuple):
    """A message as the gateway handed it over."""

    sender: str
    to: str
    text: str
    wants_report: bool


class State(NamedTuple):
    """A report without words: only the optional parameters of SMPP say what became of the message."""

    number: int


class Refusal(NamedTuple):
    """The message is not taken; a `command_status`."""

    status: int


class Centre(socketserver.ThreadingTCPServer):
    """Used as a context: it listens on `port` of 127.0.0.1 until the end.

    `fates` says for each number (E.164) what is reported, one after the other: a word with the operator's code, such
    as `UNDELIV/027`; a State; or the one Refusal. Without a fate a message is taken and never heard of again.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.fates: dict[str, Sequence[str | State | Refusal]] = {}
        self.port = self.server_address[1]
        self.submitted: list[Submitted] = []
        self.numbers = itertools.count(1)
        self.session: Session | None = None

    def __enter__(self) -> Centre:
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def write(self, sender: str, to: str, text: str) -> None:
        """Somebody writes a text to one of our numbers."""
        assert self.session, "No gateway is bound."
        self.session.deliver(sender, to, text.encode("utf-16-be"), coding=UCS2)


class Session(socketserver.StreamRequestHandler):
    server: Centre

    def handle(self) -> None:
        while head := self.rfile.read(HEADER.size):
            length, command, _, sequence = HEADER.unpack(head)
            body = self.rfile.read(length - HEADER.size)
            if command == SUBMIT:
                self.submit(sequence, body)
            elif not command & ANSWER:
                bind = command in (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER)
                self.send(command | ANSWER, 0, sequence, b"centre\0" if bind else b"")
                self.server.session = self if bind else self.server.session
            if command == UNBIND:
                return

    def send(self, command: int, status: int, sequence: int, body: bytes) -> None:
        self.wfile.write(HEADER.pack(HEADER.size + len(body), command, status, sequence) + body)

    def submit(self, sequence: int, body: bytes) -> None:
        message = submitted(body)
        fate = self.server.fates.get(message.to, ())
        if fate and isinstance(fate[0], Refusal):
            self.send(SUBMIT | ANSWER, fate[0].status, sequence, b"")
            return
        made = f"{next(self.server.numbers):08X}"
        self.server.submitted.append(message)
        self.send(SUBMIT | ANSWER, 0, sequence, made.encode() + b"\0")
        if message.wants_report:
            for event in fate:
                self.report(message, made, event)

    def report(self, message: Submitted, made: str, event: object) -> None:
        if isinstance(event, State):
            told, more = b"", tlv(RECEIPTED_ID, made.encode() + b"\0") + tlv(STATE, bytes([event.number]))
        else:
            word, _, code = str(event).partition("/")
            told, more = receipt(made, word, code or "000", message.text), b""
        self.deliver(message.to, message.sender, told, esm_class=RECEIPT, more=more)

    def deliver(
        self, sender: str, to: str, told: bytes, *, coding: int = 0, esm_class: int = 0, more: bytes = b""
    ) -> None:
        addresses = b"".join(INTERNATIONAL + number.lstrip("+").encode() + b"\0" for number in (sender, to))
        flags = bytes([esm_class, 0, 0, 0, 0, 0, 0, coding, 0, len(told)])
        self.send(DELIVER, 0, next(self.server.numbers), b"\0" + addresses + flags + told + more)


def submitted(body: bytes) -> Submitted:
    """The fields of a submit_sm that matter here."""
    _service, at = text_at(body, 0)
    sender, at = number_at(body, at)
    to, at = number_at(body, at)
    esm_class, at = body[at], at + 3
    _scheduled, at = text_at(body, at)
    _validity, at = text_at(body, at)
    reported, _replaces, coding, _default, length = body[at : at + 5]
    told = body[at + 5 : at + 5 + length]
    told = told[told[0] + 1 :] if esm_class & LONG else told
    return Submitted(
        sender, to, told.decode("utf-16-be" if coding == UCS2 else "latin-1"), bool(reported & 1)
    )


def text_at(body: bytes, at: int) -> tuple[str, int]:
    """The text that ends with a zero, and where the next field begins."""
    end = body.index(b"\0", at)
    return body[at:end].decode("latin-1"), end + 1


def number_at(body: bytes, at: int) -> tuple[str, int]:
    """A number after its kind and plan; an international one with its plus."""
    number, end = text_at(body, at + 2)
    return f"+{number}" if body[at] == INTERNATIONAL[0] else number, end


def receipt(made: str, word: str, code: str, text: str) -> bytes:
    """The text of a report (appendix B of the specification)."""
    dates = "submit date:2603041659 done date:2603041700"
    return f"id:{made} sub:001 dlvrd:001 {dates} stat:{word} err:{code} text:{text[:20]}".encode(
        "latin-1", "replace"
    )


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value
