"""Email services, handed messages through django-anymail (https://anymail.dev/en/stable/esps/).

anymail knows each service's API. Its backends are made with the account's own credentials, never with the site's
settings, and send one message to one recipient, labelled with our reference so that the service's events bring it
back.

Of the events anymail says less than the services do: a soft bounce and a hard one are both "bounced" to it, and
whatever is newer than it is "unknown". So a code table lists each service's own words. Adapters whose events are
documented in full read them as they come (`AnymailService`); the others have anymail read them, and keep the
service's words for what happened (`AnymailEvents`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from ssl import SSLCertVerificationError
from typing import Any, ClassVar

import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent, EventType
from django.core.handlers.wsgi import WSGIRequest
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import SSLError as UntrustedConnection

from deliveries.providers.base import Provider
from deliveries.providers.facts import (
    LONG_AGO,
    Call,
    Fact,
    LostAnswer,
    OutboundMessage,
    SendResult,
    Unreadable,
)
from deliveries.providers.kit.client import HttpAnswer, HttpClient
from deliveries.providers.kit.email_events import (
    LABEL,
    EmailEvent,
    Lasting,
    ident,
    labelled,
    opened_by_proxy,
    replied,
    specific,
    tagged,
)
from deliveries.providers.kit.http import not_reached, refused, weighed
from deliveries.providers.kit.moment import its_moment
from deliveries.providers.kit.parsing import FieldReader, json_objects, json_value
from deliveries.providers.mail.mail_reading import read
from deliveries.providers.mail.quoted_mail import own_words

ONE_CLICK = "List-Unsubscribe=One-Click"
CONNECT, READ = 5.0, 15.0  # seconds
NEVER_LEFT = (
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class AnymailService(Provider):
    """Base of the email services. Its credentials have the names of the anymail backend's options."""

    channels = frozenset({"email"})
    kinds = frozenset({"status"})
    at_a_time = 20  # each has a connection and a thread of its own
    takes_headers: ClassVar[bool] = True  # of ours, in the mail
    backend: ClassVar[str]  # import path of anymail's email backend
    # Of `optional_fields`, those that are the backend's options too.
    send_options: ClassVar[frozenset[str]] = frozenset()

    async def send(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult:
        """anymail's backends speak through a library that waits, so each message has a thread."""
        await its_moment()
        return await asyncio.to_thread(self._send, message, credentials)

    def _send(self, message: OutboundMessage, credentials: Mapping[str, str]) -> SendResult:
        mail = self.mail(message)
        try:
            self.connection(credentials).send_messages([mail])
        except AnymailRecipientsRefused as problem:
            return self.declined(as_answer(problem.response))
        except AnymailAPIError as problem:
            return self.failed(problem)
        except Exception as problem:
            if answered(mail):
                raise LostAnswer(f"{type(problem).__name__}: {problem}") from problem
            if not isinstance(problem, AnymailError | ValueError):
                raise
            # What cannot be put into the service's words, such as an address: nothing has left.
            return refused("unsendable", str(problem))
        status = mail.anymail_status  # type: ignore[attr-defined]
        if status.status == {"failed"}:
            return self.declined(as_answer(status.esp_response))
        return SendResult(True, provider_message_id=self.message_id(status))

    def mail(self, message: OutboundMessage) -> EmailMultiAlternatives:
        """The message with our reference attached. Merged values may bring line breaks into a subject."""
        mail = EmailMultiAlternatives(
            subject=" ".join(message.subject.split()),
            body=message.body,
            from_email=message.sender,
            to=[message.to],
        )
        if message.html:
            mail.attach_alternative(message.html, "text/html")
        if self.takes_headers:
            mail.extra_headers = unsubscribing(message.extra.get("unsubscribe", ""))
        self.label(mail, message.ref)
        return mail

    def label(self, mail: Any, ref: str) -> None:
        """Attach our reference where the service's events repeat it."""
        mail.metadata = {LABEL: ref}

    def connection(self, credentials: Mapping[str, str]) -> Any:
        """anymail's backend, made with this account's credentials and nothing of the site's settings."""
        backend = import_string(self.backend)(
            **self.options(credentials),
            ignore_unsupported_features=False,
            ignore_recipient_status=False,
            debug_api_requests=False,
        )
        backend.send_defaults = self.defaults(credentials)
        return backend

    def defaults(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """What the account's settings add to every message (anymail's SEND_DEFAULTS)."""
        return {}

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """The backend's own options."""
        names = (*self.credential_fields, *self.send_options)
        given = {name: str(credentials[name]) for name in names if credentials.get(name)}
        return {**given, "timeout": (CONNECT, READ)}

    def message_id(self, status: Any) -> str:
        """The id by which the service's events will name the message."""
        return ident(status.message_id)

    def failed(self, problem: AnymailAPIError) -> SendResult:
        """What an error of the API means: refused, not taken, or lost. Raises LostAnswer."""
        if problem.response is None:
            return unanswered(problem.__cause__)
        answer = weighed(as_answer(problem.response))
        if isinstance(answer, SendResult):
            return answer
        if answer.status_code < 400:
            raise LostAnswer(f"HTTP {answer.status_code} without a readable answer.")
        return self.declined(answer)

    def declined(self, answer: HttpAnswer) -> SendResult:
        """A refusal with the service's own code, else the HTTP status. A list has one entry for each recipient."""
        try:
            code, text = self.refusal(json_objects(answer.content)[0])
        except (Unreadable, IndexError):
            code, text = "", ""
        if code:
            code = f"api/{code}"
        elif not answer.is_success:
            code = f"http/{answer.status_code}"
        return refused(code, str(text or answer.text)[:300])


class AnymailEvents(AnymailService):
    """A service whose events anymail's webhook view reads, and whose signature, if it has one, the view checks.

    The code table follows anymail's normalised events, row by row; `status_and_code` gives the service's own words.
    """

    view: ClassVar[str]  # import path of anymail's webhook view
    view_options: ClassVar[frozenset[str]] = frozenset()  # the view's, of the same names as credentials
    opens: ClassVar[frozenset[str]] = frozenset()  # words for "opened" that anymail does not know
    # What the view cannot do without although nobody needs it: put into every event, an object with `event_key`.
    event_key: ClassVar[str] = ""
    assumed: ClassVar[Mapping[str, Any]] = {}

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By the view's own validators; for a service without any, `Unsigned` comes first."""
        given = {name: str(credentials.get(name) or "") for name in self.view_options}
        if not given or not all(given.values()):
            return False
        try:
            view = import_string(self.view)(**given, webhook_secret=[])
            view.webhook_url = call.url  # Mandrill signs it
            view.run_validators(request_of(call))
        except Exception:  # noqa: BLE001 - whatever the view trips over was not signed by the service
            return False
        return True

    def parse(self, kind: str, call: Call) -> Iterable[Fact]:
        try:
            options = dict.fromkeys(self.view_options, "none")
            view = import_string(self.view)(**options, webhook_secret=["none:none"])
            events = view.parse_events(request_of(self._completed(call)))
        except Exception as problem:  # the views expect genuine calls, and trip over others in every way
            raise Unreadable("body: not what the service sends.") from problem
        return [fact for event in events for fact in self._facts(event)]

    def _completed(self, call: Call) -> Call:
        """The same call with what is assumed where an event leaves it out."""
        if not self.assumed:
            return call
        body = json_value(call.body)
        for event in objects_in(body):
            if self.event_key in event:
                event.update({**self.assumed, **event})
        return call._replace(body=json.dumps(body).encode())

    def _facts(self, event: AnymailTrackingEvent | AnymailInboundEvent) -> Iterator[Fact]:
        if isinstance(event, AnymailInboundEvent):
            yield from letter(event)
            return
        fields = FieldReader(vars(event))
        raw = fields.object_at("esp_event")
        status, code = self.status_and_code(raw)
        ref = labelled(event.metadata) or tagged(event.tags)
        mail = EmailEvent(ref, ident(event.message_id), fields.address("recipient"), _at(event.timestamp))
        kind = EventType.OPENED if status in self.opens else event.event_type
        if kind in (EventType.OPENED, EventType.CLICKED):
            opened, url = kind == EventType.OPENED, fields.text("click_url")
            machine = self.by_machine(raw) or (opened and opened_by_proxy(fields.text("user_agent")))
            yield mail.act("open" if opened else "click", url, machine=machine)
        elif kind == EventType.AUTORESPONDED:
            yield mail.act("auto_reply", machine=True)
        elif kind == EventType.SUBSCRIBED:
            yield mail.wish("START", status)
        elif mail.id or mail.ref:
            text = fields.text("mta_response", "description")
            yield mail.report(status, code or specific(text), text, lasting=self.lasting(raw))

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        """The service's own words for what happened and why. Raises Unreadable."""
        raise NotImplementedError

    def by_machine(self, raw: FieldReader) -> bool:
        """Whether the event says that no person opened or clicked."""
        return False

    def lasting(self, raw: FieldReader) -> Lasting:
        return ""


def unsubscribing(page: str) -> dict[str, str]:
    """The headers by which a mail program unsubscribes its user with one click (RFC 8058), where there is a page."""
    return {"List-Unsubscribe": f"<{page}>", "List-Unsubscribe-Post": ONE_CLICK} if page else {}


# ---- handing over ----------------------------------------------------------------------------------------


def answered(mail: Any) -> bool:
    """Whether the service has answered at all: trouble after that is trouble with its answer."""
    return getattr(getattr(mail, "anymail_status", None), "esp_response", None) is not None


def as_answer(answer: Any) -> HttpAnswer:
    """A requests.Response as the kind that `kit/http.py` judges."""
    if not isinstance(answer, requests.Response):
        return HttpAnswer(400, {})
    return HttpAnswer(
        answer.status_code,
        headers={"retry-after": answer.headers.get("retry-after", "")},
        content=answer.content or b"",
    )


def unanswered(cause: BaseException | None) -> SendResult:
    """No answer at all: not taken when the request cannot have left, else lost. Raises LostAnswer."""
    tried = getattr(cause.args[0], "reason", None) if cause and cause.args else None
    refused = tried.args[0] if isinstance(tried, UntrustedConnection) and tried.args else None
    if (
        isinstance(cause, NEVER_LEFT)
        or isinstance(tried, NewConnectionError)
        or isinstance(refused, SSLCertVerificationError)
    ):
        return not_reached(cause)
    raise LostAnswer(f"{type(cause).__name__}: {cause}") from cause


def letter(event: AnymailInboundEvent) -> Iterator[Fact]:
    """What a person wrote to us, without what they quote. Raises Unreadable."""
    message = event.message
    mail = read(message.as_bytes())
    yield from replied(
        mail.sender,
        message.envelope_recipient or "",
        mail.headers.get("subject", ""),
        own_words(mail),
        mail.headers,
        _at(event.timestamp),
    )


def _at(timestamp: Any) -> datetime | None:
    """The time of an event; the beginning of 1970 stands for none."""
    at = FieldReader(at=timestamp).time("at")
    return at if at and at > LONG_AGO else None


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, whatever it stands in."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


# ---- reading events --------------------------------------------------------------------------------------


def request_of(call: Call) -> WSGIRequest:
    """The callback as the Django request that anymail's views are written for."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "PATH_INFO": "/",
        "QUERY_STRING": call.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(call.body),
        "CONTENT_TYPE": call.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(call.body)),
    }
    for name, value in call.headers.items():
        environ.setdefault(f"HTTP_{name.upper().replace('-', '_')}", value)
    return WSGIRequest(environ)
