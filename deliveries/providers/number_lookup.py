"""Asking a provider about a number's line: its kind, its carrier and its network. Each answer is paid for.

A service is one entry of `SERVICES`: what is asked, and what its answer says. It uses the credentials of an account
with that provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from deliveries.providers.facts import LostAnswer
from deliveries.providers.kit.client import HttpAnswer, HttpClient, NotReached
from deliveries.providers.kit.http import OUTAGE_WAIT, answer_fields, retry_after
from deliveries.providers.kit.lines import carrier_name, kind_of_line, network_code
from deliveries.providers.kit.parsing import FieldReader

TWILIO_URL = "https://lookups.twilio.com/v2/PhoneNumbers"
TELNYX_URL = "https://api.telnyx.com/v2/number_lookup"
DENIED = {401, 402, 403}  # the account, not the number
NOT_A_NUMBER = {400, 404, 422}


class LineAnswer(NamedTuple):
    """'' for what the provider does not know; nothing at all where it knows no such number."""

    network: str = ""
    carrier: str = ""
    line_type: str = ""


class Denied(Exception):
    """The account may not ask: no other number will do better. The text says why."""


class AskLater(Exception):
    """Nothing was answered; `seconds` until there is use in asking again."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class LookupService(NamedTuple):
    """`request` makes what the client's `get` is given of a number (E.164) and credentials; `read` reads its answer."""

    slug: str
    label: str
    needs: tuple[str, ...]  # credentials
    request: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    read: Callable[[FieldReader], LineAnswer]


async def ask(
    service: LookupService, number: str, credentials: Mapping[str, Any], client: HttpClient
) -> LineAnswer:
    """Raises Denied and AskLater."""
    try:
        answer = await client.get(**service.request(number, credentials))
    except (NotReached, LostAnswer) as problem:
        raise AskLater(OUTAGE_WAIT, f"{service.label} was not reached.") from problem
    return understood(service, answer)


def understood(service: LookupService, answer: HttpAnswer) -> LineAnswer:
    """Raises Denied and AskLater."""
    if answer.is_success:
        return service.read(answer_fields(answer))
    if answer.status_code in DENIED:
        raise Denied(f"{service.label} refused the account (HTTP {answer.status_code}).")
    if answer.status_code in NOT_A_NUMBER:
        return LineAnswer()
    raise AskLater(retry_after(answer), f"{service.label} answered HTTP {answer.status_code}.")


def _twilio_request(number: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": f"{TWILIO_URL}/{quote(number)}",
        "params": {"Fields": "line_type_intelligence"},
        "auth": (credentials["account_sid"], credentials["auth_token"]),
    }


def _twilio_answer(answer: FieldReader) -> LineAnswer:
    return _line(answer.object_at("line_type_intelligence"), "carrier_name")


def _telnyx_request(number: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": f"{TELNYX_URL}/{quote(number)}",
        "params": {"type": "carrier"},
        "headers": {"authorization": f"Bearer {credentials['api_key']}"},
    }


def _telnyx_answer(answer: FieldReader) -> LineAnswer:
    carrier = answer.object_at("data", "carrier")
    return _line(carrier, "normalized_carrier" if carrier.get("normalized_carrier") else "name")


def _line(about: FieldReader, name: str) -> LineAnswer:
    """Both call the network's codes alike."""
    network = network_code(about.get("mobile_country_code"), about.get("mobile_network_code"))
    return LineAnswer(network, carrier_name(about.get(name)), kind_of_line(about.get("type")))


SERVICES = {
    each.slug: each
    for each in (
        LookupService(
            "twilio", "Twilio Lookup", ("account_sid", "auth_token"), _twilio_request, _twilio_answer
        ),
        LookupService("telnyx", "Telnyx Number Lookup", ("api_key",), _telnyx_request, _telnyx_answer),
    )
}
