"""One request to a provider, and the three things that can come of it: an answer, a wait, or a lost answer.

What decides is whether the provider may have acted: if the request cannot have left, or the answer says that
nothing was taken, the message waits and is sent again; if it may have left, only the provider knows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from deliveries.providers.facts import Busy, LostAnswer, SendResult, Unreadable
from deliveries.providers.kit.client import HttpAnswer, HttpClient, NotReached
from deliveries.providers.kit.parsing import LONGEST_WORD, FieldReader, clean

# Seconds to wait when the provider names none, and the most that it may ask for.
DEFAULT_WAIT, LONGEST_WAIT = 5.0, 3600.0
OUTAGE_WAIT = 30.0  # seconds, when the provider was not reached or answers 5xx
# A server that failed half-way may have acted, and a gateway that gave up on it cannot know.
UNDECIDED = {500, 502, 504}


async def post(client: HttpClient, url: str, **request: Any) -> HttpAnswer | SendResult:
    """The provider's answer, or a SendResult with `retry_after` when nothing was taken. Raises LostAnswer."""
    try:
        answer = await client.post(url, **request)
    except NotReached as problem:
        return not_reached(problem)
    return weighed(answer)


def not_reached(problem: object) -> SendResult:
    """Nothing has left: the message waits."""
    return SendResult(False, native_text=clean(f"Not reached: {problem}")[:300], retry_after=OUTAGE_WAIT)


def weighed(answer: HttpAnswer) -> HttpAnswer | SendResult:
    """An answer that decides something, or a SendResult with `retry_after` when nothing was taken.

    Raises LostAnswer.
    """
    if answer.status_code in UNDECIDED:
        raise LostAnswer(f"HTTP {answer.status_code}")
    if answer.status_code == 429 or answer.is_server_error:
        busy = Busy.ACCOUNT if answer.status_code == 429 else Busy.NOBODY
        text = f"HTTP {answer.status_code}"
        return SendResult(False, native_text=text, retry_after=retry_after(answer), busy=busy)
    return answer


async def look_up(client: HttpClient, url: str, **request: Any) -> FieldReader | None:
    """The JSON object that a provider answers to a question; None when it does not answer."""
    try:
        answer = await client.get(url, **request)
    except (NotReached, LostAnswer):
        return None
    return answer_fields(answer) if answer.is_success else None


async def listed(client: HttpClient, url: str, name: str, **request: Any) -> list[FieldReader]:
    """The objects in the list that a provider answers to a question; none when they cannot be read."""
    answer = await look_up(client, url, **request)
    try:
        return answer.objects(name) if answer else []
    except Unreadable:
        return []


def answer_fields(answer: HttpAnswer) -> FieldReader:
    """The JSON object in an answer; empty when there is none."""
    try:
        found = answer.json()
    except ValueError:
        return FieldReader()
    return FieldReader(found if isinstance(found, dict) else {})


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request that have something in them."""
    return {name: value for name, value in fields.items() if value}


def accepted(provider_message_id: Any, parts: Any = 0) -> SendResult:
    """The provider took it, as so many segments where it says so. Raises LostAnswer when it does not say as what."""
    if not provider_message_id:
        raise LostAnswer("Taken, but without an id.")
    count = int(parts) if str(parts).isdecimal() else 0
    return SendResult(True, provider_message_id=str(provider_message_id), segments=count)


def refused(code: Any, text: Any) -> SendResult:
    """The provider read the request and does not take it."""
    return SendResult(
        False,
        native_status="rejected",
        native_code=str(code or "")[:LONGEST_WORD],
        native_text=clean(str(text or "")),
    )


def retry_after(answer: HttpAnswer) -> float:
    """Seconds the provider asks us to wait: a number or a date in `Retry-After`, else a guess by the kind of answer."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(max(float(asked), 1.0), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(asked)
    except (TypeError, ValueError):
        return OUTAGE_WAIT if answer.is_server_error else DEFAULT_WAIT
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 1.0), LONGEST_WAIT)
