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
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from ssl import SSLCertVerificationError
from typing import Any, ClassVar, Literal

import httpx
import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from anymail.signals import AnymailTrackingEvent, EventType
from django.core.handlers.wsgi import WSGIRequest
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import SSLError as UntrustedConnection

from deliveries.providers.base import Provider
from deliveries.providers.email_events import (
    LABEL,
    addressed,
    ident,
    labelled,
    link,
    mailbox,
    resubscribed,
    specific,
)
from deliveries.providers.facts import (
    Act,
    Call,
    Fact,
    Handover,
    LostAnswer,
    Outgoing,
    Report,
    Unreadable,
)
from deliveries.providers.handing_over import OUTAGE_WAIT, weighed
from deliveries.providers.reading import LONGEST_WORD, clean

CONNECT, READ = 5.0, 15.0  # seconds
# As many as are handed over at a time: in asyncio's own few threads, messages would wait for each other.
THREADS = ThreadPoolExecutor(20, thread_name_prefix="email")
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
    backend: ClassVar[str]  # import path of anymail's email backend
    # Of `optional_fields`, those that are the backend's options too.
    send_options: ClassVar[frozenset[str]] = frozenset()

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        """anymail's backends speak through a library that waits, so each message has a thread."""
        return await asyncio.get_running_loop().run_in_executor(THREADS, self._send, message, credentials)

    def _send(self, message: Outgoing, credentials: Mapping[str, str]) -> Handover:
        mail = self.mail(message)
        try:
            self.connection(credentials).send_messages([mail])
        except AnymailRecipientsRefused as problem:
            return self.refused(as_httpx(problem.response))
        except AnymailAPIError as problem:
            return self.failed(problem)
        except Exception as problem:
            if answered(mail):
                raise LostAnswer(f"{type(problem).__name__}: {problem}") from problem
            if not isinstance(problem, AnymailError | ValueError):
                raise
            # What cannot be put into the service's words, such as an address: nothing has left.
            return refusal("unsendable", str(problem))
        status = mail.anymail_status  # type: ignore[attr-defined]
        if status.status == {"failed"}:
            return self.refused(as_httpx(status.esp_response))
        return Handover(True, provider_message_id=self.message_id(status))

    def mail(self, message: Outgoing) -> EmailMultiAlternatives:
        """The message with our reference attached. Merged values may bring line breaks into a subject."""
        mail = EmailMultiAlternatives(
            subject=" ".join(message.subject.split()),
            body=message.body,
            from_email=message.sender,
            to=[message.to],
        )
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

    def failed(self, problem: AnymailAPIError) -> Handover:
        """What an error of the API means: refused, not taken, or lost. Raises LostAnswer."""
        if problem.response is None:
            return unanswered(problem.__cause__)
        answer = weighed(as_httpx(problem.response))
        if isinstance(answer, Handover):
            return answer
        if answer.status_code < 400:
            raise LostAnswer(f"HTTP {answer.status_code} without a readable answer.")
        return self.refused(answer)

    def refused(self, answer: httpx.Response) -> Handover:
        """A refusal with the service's own code, else the HTTP status."""
        try:
            told = answer.json()
        except ValueError:
            told = None
        if isinstance(told, list) and told:
            told = told[0]  # one entry per recipient
        try:
            code, text = self.reason(told) if isinstance(told, dict) else ("", "")
        except Unreadable:
            code, text = "", ""
        if code or answer.is_success:
            return refusal(f"api/{code}" if code else "", text or answer.text)
        return refusal(f"http/{answer.status_code}", text or answer.text)

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        """The service's own code for a refusal ('' when it has none), and its sentence."""
        return "", str(told.get("message") or "")


class AnymailEvents(AnymailService):
    """A service whose events anymail's webhook view reads, and whose signature, if it has one, the view checks.

    The code table follows anymail's normalised events, row by row; `said` gives the service's own words.
    """

    view: ClassVar[str]  # import path of anymail's webhook view
    view_options: ClassVar[frozenset[str]] = frozenset()  # the view's, of the same names as credentials
    opens: ClassVar[frozenset[str]] = frozenset()  # words for "opened" that anymail does not know

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
            events = view.parse_events(request_of(call))
        except Exception as problem:  # the views expect genuine calls, and trip over others in every way
            raise Unreadable("body: not what the service sends.") from problem
        return [fact for event in events for fact in self._facts(event)]

    def _facts(self, event: AnymailTrackingEvent) -> Iterator[Fact]:
        raw = event.esp_event if isinstance(event.esp_event, Mapping) else {}
        ref, message_id, address = self.ref(event), ident(event.message_id), addressed(event.recipient)
        at = moment(event)
        kind = EventType.OPENED if self.said(raw)[0] in self.opens else event.event_type
        if kind in (EventType.OPENED, EventType.CLICKED):
            what: Literal["open", "click"] = "open" if kind == EventType.OPENED else "click"
            text = link(event.click_url)
            yield Act(what, ref, message_id, "email", address, text, at, machine=self.by_machine(raw))
        elif kind == EventType.AUTORESPONDED:
            yield Act("auto_reply", ref, message_id, "email", address, "", at, machine=True)
        elif kind == EventType.SUBSCRIBED:
            yield resubscribed(address, self.said(raw)[0], ref, message_id, at)
        elif message_id or ref:
            status, code = self.said(raw)
            text = clean(str(event.mta_response or event.description or ""))
            yield Report(
                ref, message_id, "email", status, code or specific(text), text,
                occurred_at=at, address=address, mailbox=mailbox(address, text), lasting=self.lasting(raw),
            )  # fmt: skip

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        """The service's own words for what happened and why. Raises Unreadable."""
        raise NotImplementedError

    def ref(self, event: AnymailTrackingEvent) -> str:
        return labelled(event.metadata)

    def by_machine(self, raw: Mapping[str, Any]) -> bool:
        """Whether the event says that no person opened or clicked."""
        return False

    def lasting(self, raw: Mapping[str, Any]) -> Literal["", "permanent", "temporary"]:
        """The service's own word on whether the same message would fail again."""
        return ""


# ---- handing over ----------------------------------------------------------------------------------------


def answered(mail: Any) -> bool:
    """Whether the service has answered at all: trouble after that is trouble with its answer."""
    return getattr(getattr(mail, "anymail_status", None), "esp_response", None) is not None


def refusal(code: str, text: str) -> Handover:
    return Handover(
        False, native_status="rejected", native_code=code[:LONGEST_WORD], native_text=clean(text)[:300]
    )


def as_httpx(answer: Any) -> httpx.Response:
    """A requests.Response as the kind that `handing_over` weighs."""
    if not isinstance(answer, requests.Response):
        return httpx.Response(400)
    return httpx.Response(
        answer.status_code,
        headers={"retry-after": answer.headers.get("retry-after", "")},
        content=answer.content or b"",
    )


def unanswered(cause: BaseException | None) -> Handover:
    """No answer at all: not taken when the request cannot have left, else lost. Raises LostAnswer."""
    tried = getattr(cause.args[0], "reason", None) if cause and cause.args else None
    refused = tried.args[0] if isinstance(tried, UntrustedConnection) and tried.args else None
    if (
        isinstance(cause, NEVER_LEFT)
        or isinstance(tried, NewConnectionError)
        or isinstance(refused, SSLCertVerificationError)
    ):
        return Handover(False, native_text=f"Not reached: {cause}"[:300], retry_after=OUTAGE_WAIT)
    raise LostAnswer(f"{type(cause).__name__}: {cause}") from cause


# ---- reading events --------------------------------------------------------------------------------------


def moment(event: AnymailTrackingEvent) -> datetime | None:
    try:
        at = event.timestamp
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC) if at else None
    except (OverflowError, ValueError, AttributeError):
        return None


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
