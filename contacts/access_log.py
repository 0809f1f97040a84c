"""Who was shown whole addresses, and who took out a file: a row for each, which never holds an address itself.

Pages ask `sees_whole` before they show an address, and nothing else; the middleware sees what was answered then. A file
is known by its header, so no page can hand out one that is not on record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone

from accounts.models import User
from contacts.models import AccessRecord
from contacts.phones import concealed

WHOLE = "contacts.view_full_address"
AGAIN = timedelta(minutes=10)  # the same page, seen once more by the same person within it, is one row
NO_FILTER = frozenset({"after", "next", "page"})  # where in a list somebody is narrows nothing
SEARCHED = frozenset({"q", "s"})  # what was typed there may be a name: that something was is enough
_DAY = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
LONGEST_FILTER, LONGEST_PATH = 300, 200
OF_A_CONTACT = frozenset(
    {"trail", "correct", "suppress", "release", "note", "export", "privacy", "export_data", "duplicates_of"}
)


def sees_whole(request: HttpRequest) -> bool:
    """Whether whole addresses are shown to who asks. If so, the answer is put on record."""
    user = cast(User, request.user)
    if not user.has_perm(WHOLE):
        return False
    note_whole(request)
    return True


def sees_whole_in(request: HttpRequest, texts: Iterable[str]) -> bool:
    """As `sees_whole`, of a page whose addresses stand in free text alone: without one, nothing goes on record."""
    may = cast(User, request.user).has_perm(WHOLE)
    if may and any(concealed(text) != text for text in texts):
        note_whole(request)
    return may


def note_whole(request: HttpRequest) -> None:
    """The answer shows whole addresses, whatever who asks may see elsewhere: of a file of their own."""
    request.shows_whole = True  # type: ignore[attr-defined]


class AccessLogMiddleware:
    """Behind whatever tells who is logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)
        whole = getattr(request, "shows_whole", False)
        if request.method == "HEAD" or response.status_code not in (200, 422):
            return response
        if _is_file(response):
            _record_file(request, response, whole=whole)
        elif whole:
            _record_page(_row(request, timezone.now(), AccessRecord.Kind.SHOWN, whole=True))
        return response


def _is_file(response: HttpResponse) -> bool:
    return str(response.get("Content-Disposition", "")).startswith("attachment")


def _row(request: HttpRequest, now: datetime, kind: str, *, whole: bool) -> AccessRecord:
    match = request.resolver_match
    name = match.view_name if match else ""
    pk = match.kwargs.get("pk") if match else None
    of_contact = name.startswith("contacts:") and name.partition(":")[2] in OF_A_CONTACT
    return AccessRecord(
        kind=kind,
        at=now,
        by=request.user if request.user.is_authenticated else None,
        page=name[:80],
        path=request.path[:LONGEST_PATH],
        contact_number=pk if of_contact else None,
        filter=_filter(request.GET.dict().items())[:LONGEST_FILTER],
        whole=whole,
    )


def _filter(given: Iterable[tuple[str, Any]]) -> str:
    """What narrows the page, such as "channel: sms, q: …": what may be an address or a name is left out."""
    words = [
        f"{concealed(name)}: {'…' if name in SEARCHED else _shown(str(value))}"
        for name, value in given
        if value and name not in NO_FILTER
    ]
    return ", ".join(words).replace("\0", "")  # which PostgreSQL keeps in no text


def _shown(value: str) -> str:
    """A day has as many digits as a number, and stays."""
    return value if _DAY.fullmatch(value) else concealed(value)


def _record_file(request: HttpRequest, response: Any, *, whole: bool) -> None:
    """Before its first line, as who breaks off has got something too; how many rows it had is added at its end."""
    row = _row(request, timezone.now(), AccessRecord.Kind.EXPORTED, whole=whole)
    row.save()
    if isinstance(response, StreamingHttpResponse):
        lines = cast(Iterable[bytes], response.streaming_content)
        response.streaming_content = _counted(lines, row.pk)


def _counted(lines: Iterable[bytes], pk: int) -> Iterator[bytes]:
    count = -1  # the first line has the titles
    try:
        for line in lines:
            count += 1
            yield line
    finally:
        AccessRecord.objects.filter(pk=pk).update(rows=max(count, 0))


_ONCE = """
INSERT INTO contacts_accessrecord (kind, at, by_id, page, path, contact_number, filter, whole)
SELECT %(kind)s, %(at)s, %(by)s, %(page)s, %(path)s, %(contact)s, %(filter)s, %(whole)s
WHERE NOT EXISTS (
  SELECT 1 FROM contacts_accessrecord
  WHERE by_id = %(by)s AND at > %(since)s AND kind = %(kind)s AND path = %(path)s AND filter = %(filter)s)"""


def _record_page(row: AccessRecord) -> None:
    """One statement, whether it is the same again or not."""
    adapt = connection.ops.adapt_datetimefield_value
    values = {
        "kind": row.kind, "at": adapt(row.at), "by": row.by_id, "page": row.page, "path": row.path,
        "contact": row.contact_number, "filter": row.filter, "whole": row.whole, "since": adapt(row.at - AGAIN),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ONCE, values)
