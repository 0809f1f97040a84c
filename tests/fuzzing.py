"""Requests that nobody means: every page, as every role, with every parameter that pages show and values that none of
them expects. `python -m tests.fuzzing 50000` makes so many against a database of its own and says what broke.

What a page does is undone after each request, so that one request says nothing about the next.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.core.signals import got_request_exception
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from contacts.models import Consent, Note, Suppression
from deliveries.models import Batch, BatchItem, Decision, Engagement, StatusEvent
from tests import factories, reporting_rows

ROLES = ("", "marketer", "support", "admin", "superuser")
DEEP = "[" * 5_000 + "]" * 5_000
VALUES = [
    "", " ", "0", "-1", "1", "00", "1.5", "1e400", "NaN", "9" * 18, str(2**63 - 1), str(2**63), str(2**31), "9" * 40,
    "9" * 5_000, "-" + "9" * 40, "٣", "１２", "²", "x", "None", "null", "true", "[]", "{}", '{"a": 1}', "[1, 2]", DEEP,
    "\x00", "a\x00b", "\x01\x02", "\ud800", "\udfff a", "\u202e", "\ufeff", "é", "İ", "ß", "😀" * 300, "a" * 70_000,
    "%", "%%", "_", "%00", "%ff", "\\", "'", '"', "';--", "' OR 1=1 --", "<script>alert(1)</script>", "{{ 7 }}", "{%",
    "../../etc/passwd", "//evil.example", "https://evil.example/", "javascript:alert(1)", "\r\nSet-Cookie: a=b",
    "2026-02-30", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-11-29", "2026-11-29T25:61",
    "-2026-01-01",
    "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-03-29T02:30", "24:00", "Mars/Olympus", "UTC", "../UTC",
    "+15125550100", "+1512", "(512) 555-0142 x", "+" + "9" * 30, "a@b", "a@" + "b." * 200 + "c", "person@example.com",
    "sms", "email", "retry", "a,b,,c", "1,2", "1;2", "a b" * 50, "^(a+)+$", "*", "?", "&a=b", "=", "#", "a/b",
    "~", "-", ".",
    "..", "MTIz", "AAAA", "Lg", "MS4yLjM", "LjEuMA", "LjkyMjMzNzIwMzY4NTQ3NzU4MDcuMA",
]  # fmt: skip
EVERYWHERE = [
    "q", "o", "p", "e", "all", "page", "next", "after", "before", "sort", "id", "pk", "id__in", "pk__in",
    "_to_field", "_popup",
    "_facets", "_changelist_filters", "_save", "_continue", "_addanother", "action", "select_across", "index",
    "_selected_action", "csrfmiddlewaretoken", "campaign", "queue", "channel", "status", "reason", "days",
    "since", "until",
    "message", "recipient", "zone", "state__exact", "created_at__gte", "value__startswith", "name__regex", "term",
    "app_label", "model_name", "field_name",
]  # fmt: skip
TYPES = [
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "é",
    "",
]
BODIES = [b"", b"\x00", b"\xff\xfe=%ff&%zz=%", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
          DEEP.encode(), b"&" * 2_000, b"a=1&" * 1_200, b"{"]  # fmt: skip
HEADERS = {
    "HX-Request": ["true", "x"],
    "HX-Current-URL": ["http://testserver/?a=%ff", "http://[::1", "x", "\u00e9"],
    "HX-Target": ["results", "<", "\u00e9"],
    "HX-Trigger": ["q", "9" * 500],
    "HX-Prompt": ["x"],
    "HX-History-Restore-Request": ["true"],
    "Referer": ["http://[::1", "javascript:x", "http://testserver/contacts/?q=%ff"],
    "Accept-Language": ["x" * 600, "de-*;q=9", "\u00e9"],
    "Cookie": ["tz=Mars/Olympus; messages=x", "tz=../UTC; was=1:x", "sessionid=\u00e9; csrftoken=1", "=;=;,"],
    "Host": ["testserver", "evil.example", "[::1", "a b"],
    "X-Forwarded-For": ["x", "1" * 500],
    "Range": ["bytes=9-1", "bytes=-99999999999999999999"],
    "If-Modified-Since": ["Mon, 99 Foo 2026 99:99:99 GMT", "x"],
}


class Shown(HTMLParser):
    """The parameters that a page sends: names of fields and of what stands in links, with the values offered."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.offered: dict[str, list[str]] = {}
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if tag in ("input", "textarea", "select", "button") and told.get("name"):
            self._offer(told["name"], told.get("value", ""))
            self._select = told["name"] if tag == "select" else self._select
        elif tag == "option" and self._select:
            self._offer(self._select, told.get("value", ""))
        for name in ("href", "action", "hx-get", "hx-post"):
            for field_name, value in parse_qsl(told.get(name, "").partition("?")[2]):
                self._offer(field_name, value)

    def _offer(self, name: str, value: str) -> None:
        values = self.offered.setdefault(name, [])
        if value not in values and len(values) < 20:
            values.append(value)


@dataclass(frozen=True)
class Page:
    """One address of the resolver; `parts` are its fixed texts and, in between, the converters' names."""

    route: str
    parts: tuple[str, ...]

    def address(self, fill: dict[str, list[str]], rng: random.Random, wild: float) -> str:
        """With a value for each converter: one that exists, or with this probability anything at all."""
        made = ""
        for at, part in enumerate(self.parts):
            if at % 2 == 0:
                made += part
            else:
                made += odd(rng) if rng.random() < wild else rng.choice(fill.get(part, ["1"]))
        return "/" + made


def pages() -> list[Page]:
    """Every pattern of the resolver that leads to a view."""
    found = []

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> None:
        for one in patterns:
            route = before + str(one.pattern).lstrip("^").replace("\\Z", "").replace("$", "")
            if isinstance(one, URLResolver):
                walk(one.url_patterns, route)
            else:
                route = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route)
                found.append(Page(route, tuple(re.split(r"<(?:\w+:)?(\w+)>", route))))

    walk(get_resolver().url_patterns, "")
    return found


def odd(rng: random.Random) -> str:
    """A value in an address: shortened, as servers cut long ones off, and escaped but for what breaks it on purpose."""
    value = rng.choice(VALUES)[:2_000]
    return quote(value, safe=rng.choice(["", "/%"]), errors="surrogatepass")


@dataclass
class Broken:
    """Answers of 500 and above, by where they were raised."""

    route: str
    where: str
    request: str


@dataclass
class Outcome:
    requests: int = 0
    statuses: Counter = field(default_factory=Counter)
    broken: dict[str, Broken] = field(default_factory=dict)
    count_broken: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)

    def note(self, seconds: float, status: int, request: str) -> None:
        self.requests += 1
        self.statuses[status] += 1
        self.slowest = sorted([*self.slowest, (seconds, request)], reverse=True)[:5]


class Fuzz:
    """A seeded stream of requests against the rows that `rows` made."""

    def __init__(self, seed: int, fill: dict[str, list[str]]) -> None:
        self.rng, self.fill = random.Random(seed), fill
        self.pages = pages()
        self.client = Client(raise_request_exception=False)
        self.sessions = {role: self._session(role) for role in ROLES}
        self.known: dict[str, dict[str, list[str]]] = {}  # by route, what its pages send
        self.outcome = Outcome()
        self._raised: BaseException | None = None

    def _session(self, role: str) -> str:
        if not role:
            return ""
        made = {"is_superuser": True} if role == "superuser" else {}
        client = Client()
        client.force_login(factories.user("" if made else role, is_staff=True, **made))
        return client.cookies["sessionid"].value

    def run(self, count: int) -> Outcome:
        got_request_exception.connect(self._note_exception)
        try:
            for number in range(count):
                self.one(self.pages[number % len(self.pages)])
        finally:
            got_request_exception.disconnect(self._note_exception)
        return self.outcome

    def _note_exception(self, sender: Any, **kwargs: Any) -> None:
        self._raised = sys.exc_info()[1]

    def one(self, page: Page) -> None:
        rng = self.rng
        role = rng.choice([*ROLES, "admin", *["superuser"] * 4])
        method = rng.choice(
            ["get", "get", "get", "post", "post", "post", rng.choice(["head", "options", "put", "delete"])]
        )
        address = page.address(self.fill, rng, wild=0.15)
        data = list(self._data(page, rng, whole=rng.random() < 0.5))
        told: dict[str, Any] = {"headers": self._headers(rng)}
        if method == "post":
            if rng.random() < 0.2:
                told |= {"data": rng.choice(BODIES), "content_type": rng.choice(TYPES)}
            else:
                told |= {"data": escaped(data), "content_type": TYPES[3]}
        if method != "post" or rng.random() < 0.3:
            address += "?" + escaped(data)
        self._send(page, role, method, address, told)

    def _data(self, page: Page, rng: random.Random, whole: bool) -> Iterator[tuple[str, str]]:
        """Some odd parameters; with `whole` after all that the page would send itself, so that it gets far."""
        known = self.known.get(page.route, {})
        if whole:
            for name, values in known.items():
                if rng.random() < 0.95:
                    yield name, rng.choice(VALUES) if rng.random() < 0.1 else rng.choice(values)
        names = [*known] * 3 + EVERYWHERE
        for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
            name = rng.choice(names) if rng.random() < 0.95 else rng.choice(VALUES)[:100]
            ours = known.get(name) or self.fill.get(name.removesuffix("_id"), self.fill["pk"])
            for _ in range(rng.choice([1, 1, 1, 2])):
                yield name, rng.choice(VALUES) if rng.random() < 0.75 else rng.choice(ours)

    def _headers(self, rng: random.Random) -> dict[str, str]:
        names = rng.sample(list(HEADERS), rng.choice([0, 0, 0, 1, 2]))
        return {name: rng.choice(HEADERS[name]) for name in names}

    def _send(self, page: Page, role: str, method: str, address: str, told: dict[str, Any]) -> None:
        self.client.cookies.clear()
        if self.sessions[role]:
            self.client.cookies["sessionid"] = self.sessions[role]
        self._raised, began = None, time.perf_counter()
        undone = transaction.atomic()
        # As in Django's own tests, or a view could not ask for a transaction that is the outermost one.
        undone._from_testcase = True  # type: ignore[attr-defined]
        with undone:
            try:
                answer = getattr(self.client, method)(address, **told)
                text = answer.getvalue() if answer.streaming else answer.content
                status = answer.status_code
            except Exception as problem:  # noqa: BLE001 - raised beside the views, or while an answer is streamed
                self._raised, status, text = problem, 599, b""
            transaction.set_rollback(True)
        request = f"{role or 'nobody'} {method.upper()} {address[:300]} {str(told)[:300]}"
        self.outcome.note(time.perf_counter() - began, status, request)
        if status >= 500 and not (status == 503 and page.route == "readyz"):
            self._note_broken(page, status, request)
        elif (status == 200 and page.route not in self.known) or self.rng.random() < 0.02:
            self._learn(page, text.decode("utf-8", "replace"))

    def _note_broken(self, page: Page, status: int, request: str) -> None:
        self.outcome.count_broken += 1
        frames = traceback.extract_tb(self._raised.__traceback__) if self._raised else []
        ours = [one for one in frames if "site-packages" not in one.filename] or frames
        place = f" at {ours[-1].filename}:{ours[-1].lineno}" if ours else ""
        where = (
            f"{type(self._raised).__name__}: {str(self._raised)[:120]}{place}"
            if self._raised
            else str(status)
        )
        key = f"{page.route} {type(self._raised).__name__} {place}"
        self.outcome.broken.setdefault(key, Broken(page.route, where, request))

    def _learn(self, page: Page, text: str) -> None:
        known = self.known.setdefault(page.route, {})
        for name, values in Shown(text).offered.items():
            if len(known) < 200:
                known.setdefault(name, values)


def escaped(data: list[tuple[str, str]]) -> str:
    return urlencode(data, errors="surrogatepass")


def rows() -> dict[str, list[str]]:
    """A row of nearly everything, and the values by which addresses name them."""
    now = timezone.now()
    campaign = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6])
    factories.content(campaign)
    draft = factories.campaign(lists=[factories.contact_list()])
    factories.content(draft)
    message = campaign.messages.order_by("pk").first()
    assert message is not None
    contact, receipt = message.contact, factories.receipt(state="dead", query="id=1")
    user = factories.user("admin", is_staff=True)
    Suppression.objects.create(value="+15125550142", reason="stop", origin="recipient", contact=contact)
    Consent.objects.create(contact=contact, channel="sms", opted_in=True)
    Note.objects.create(contact=contact, text="A note")
    Decision.objects.create(
        recipient=message.recipient, contact_id=contact.pk, message_id=message.pk, at=now, step="wait"
    )
    Engagement.objects.create(
        contact_id=contact.pk,
        message_id=message.pk,
        channel="sms",
        kind="reply",
        at=now,
        receipt_id=receipt.pk,
    )
    StatusEvent.objects.create(
        message_id=message.pk,
        fact=1,
        receipt_id=receipt.pk,
        status="sent",
        precedence=1,
        occurred_at=now,
        recorded_at=now,
    )
    batch = Batch.objects.create(action="retry", selection={}, selected_at=now, created_by=user)
    BatchItem.objects.create(batch=batch, message=message, outcome="acted")
    beat = factories.heartbeat(at=now)
    keys = [str(one) for one in (message.pk, contact.pk, campaign.pk, batch.pk, user.pk, receipt.pk, 1, 2, 3)]
    return {
        "pk": keys, "object_id": [*keys, str(beat.pk)], "id": keys, "recipient": keys, "content_type_id": keys,
        "number": ["1", "2"],
        "slug": [campaign.slug, draft.slug], "campaign": [campaign.slug, str(campaign.pk)], "url": ["admin/", "x/"],
        "queue": ["retry", "correct", "review", "suppress", "watch"], "app_label": ["contacts", "deliveries", "auth"],
        "message": [str(message.pk)], "path": ["css/ui.css"], "_selected_action": keys,
    }  # fmt: skip


def told(outcome: Outcome, seconds: float) -> str:
    lines = [
        f"{outcome.requests:,} requests in {seconds:,.0f} s on {connection.vendor}, "
        f"{outcome.count_broken:,} answered with 5xx in {len(outcome.broken)} ways.",
        "By status: "
        + ", ".join(f"{status} {count:,}" for status, count in sorted(outcome.statuses.items())),
        "Slowest:",
        *(f"  {1_000 * took:,.0f} ms  {request[:160]}" for took, request in outcome.slowest),
        *(f"BROKEN {one.route}\n  {one.where}\n  {one.request}" for one in outcome.broken.values()),
    ]
    return "\n".join(lines)


def main() -> int:
    """Exit status 1 when anything broke."""
    import logging

    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("requests", type=int, nargs="?", default=50_000)
    parser.add_argument("--seed", type=int, default=9)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    from django.test.runner import DiscoverRunner

    runner = DiscoverRunner(verbosity=0, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    try:
        began = time.perf_counter()
        outcome = Fuzz(chosen.seed, rows()).run(chosen.requests)
        print(told(outcome, time.perf_counter() - began))
    finally:
        runner.teardown_databases(databases)
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
