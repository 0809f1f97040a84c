"""What the tests of the mapping pages do and look at."""

from __future__ import annotations

import html
import re

from django.utils import timezone

from deliveries.meaning import drafts, mappings
from deliveries.meaning.translation import Key
from deliveries.models import CodeAlarm, MappingVersion, SeenCode
from tests.deliveries.meaning.tables import HOUR

HTMX = {"HX-Request": "true"}
NUMBER_GONE = Key("twilio", "sms", "error", "30005")
EDIT = "/mappings/codes/edit/"
ROW = {
    "table": "twilio", "channel": "sms", "kind": "error", "code": "30005", "name": "Unknown", "meaning": "Was ported",
    "status": "undelivered", "failure_class": "temporary", "fault": "recipient", "verified": "on",
}  # fmt: skip


def seen(account, **fields):
    now = timezone.now()
    given = {
        "account_id": account.pk, "channel": "sms", "native_status": "undelivered", "native_code": "31999",
        "known": False, "contradicts": False, "n": 3, "first_seen_at": now - HOUR, "last_seen_at": now,
    }  # fmt: skip
    return SeenCode.objects.create(**given | fields)


def alarm(account, **fields):
    given = {
        "kind": "unknown",
        "account_id": account.pk,
        "channel": "sms",
        "code": "31999",
        "sentence": "What is 31999?",
    }
    return CodeAlarm.objects.create(**given | fields)


def text(response) -> str:
    """The page as somebody reads it."""
    body = re.sub(r"<(script|style|svg|nav class=\"rail).*?</\1>", "", response.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def draft() -> MappingVersion:
    found = drafts.open_draft()
    assert found
    return found


def counted_at() -> str:
    return draft().previewed_at.isoformat()


def save(client, **changes):
    return client.post(EDIT, ROW | changes, follow=True)


def codes_on(response) -> list[str]:
    return re.findall(r'<th scope="row" class="t-code"><a [^>]*><code>([^<]*)', response.content.decode())


def publish(client, **changes):
    save(client, **changes)
    client.post("/mappings/draft/count/")
    client.post("/mappings/draft/publish/", {"note": "Why", "counted_at": counted_at()})
    mappings.forget()
