"""Whether receipts come back: a callback that we send to ourselves, signed as the provider signs, through the internet.

It goes to the account's own address under `PUBLIC_URL` and comes in by the receiver like any other, which knows it by
the last word of its address and by its number. It is no receipt: nothing is stored of it but that it came.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import httpx
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import F, Max

from accounts.models import User
from deliveries.models import Account, Bookmark, CallbackTest, Receipt
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.providers.kit.parsing import form
from deliveries.wake import wake

logger = logging.getLogger(__name__)

TEST_KIND = "test"  # the last word of its address
NUMBER = "test"  # the name of the query field
POST_SECONDS = 5.0
FRESH = timedelta(days=1)  # how long a receipt or a test proves that others would come as well
NEWEST = 50_000  # receipts that are looked through at once
BOOKMARK = "receipts_of_accounts"


def can_test(account: Account) -> bool:
    """Whether we can sign in the provider's place."""
    return account.provider in PROVIDERS and _signed(account, "x", account.created_at) is not None


def begin(account: Account, by: User | None, now: datetime) -> CallbackTest:
    """Ask for a test; it is sent in the background."""
    test = CallbackTest.objects.create(account=account, asked_at=now, asked_by=by)
    transaction.on_commit(wake)
    return test


def run(now: datetime) -> int:
    """Send one that waits."""
    test = CallbackTest.objects.filter(sent_at=None).select_related("account").order_by("pk").first()
    if test is None:
        return 0
    if CallbackTest.objects.filter(pk=test.pk, sent_at=None).update(sent_at=now):
        trouble = _post(test, now)
        CallbackTest.objects.filter(pk=test.pk, arrived_at=None).update(trouble=trouble[:300])
    return 1


def _post(test: CallbackTest, now: datetime) -> str:
    """Why it did not arrive; '' when the receiver took it."""
    call = _signed(test.account, test.nonce, now)
    if call is None:
        return "Only the provider can sign its callbacks: wait for the first real receipt."
    try:
        answer = httpx.post(
            call.url,
            content=call.body,
            headers=dict(call.headers),
            timeout=POST_SECONDS,
            follow_redirects=False,
        )
    except httpx.HTTPError as problem:
        logger.warning("A test callback could not be posted: %r", problem)
        return (
            f"{settings.PUBLIC_URL} did not answer from here within {POST_SECONDS:.0f} seconds: set PUBLIC_URL to the "
            "address at which the internet reaches this installation."
        )
    if answer.is_success:
        return "It was answered, and the receiver has not seen it: something else answers at that address."
    if answer.status_code == 403:
        return (
            "Its signature was refused: the address that callbacks come in by is not PUBLIC_URL, or the account's "
            "secret was changed a moment ago."
        )
    return f"It was answered with {answer.status_code}: /hooks/ does not lead to this installation."


def _signed(account: Account, nonce: str, now: datetime) -> Call | None:
    query = f"{NUMBER}={nonce}"
    url = f"{settings.PUBLIC_URL}/hooks/{account.token}/{TEST_KIND}/?{query}"
    headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": "Waybill test callback"}
    bare = Call("POST", url, query, headers, b"Waybill=test", at=now)
    return PROVIDERS[account.provider].sign(bare, account.credentials)


def note_arrival(account_id: int, query: str, at: datetime) -> bool:
    """The receiver has verified one; whether we are waiting for it. Runs in a thread of its own."""
    close_old_connections()
    number = form(query.encode("utf-8", "replace")).get(NUMBER, "")
    waiting = CallbackTest.objects.filter(account_id=account_id, nonce=number, arrived_at=None)
    return bool(waiting.update(arrived_at=at, trouble=""))


def note_receipts(now: datetime) -> int:
    """Write down when the last receipt of each account came. Reads those since the last time, at most NEWEST."""
    newest = Receipt.objects.aggregate(last=Max("pk"))["last"] or 0
    mark, _ = Bookmark.objects.get_or_create(name=BOOKMARK, defaults={"at": now})
    seen = max(int((mark.detail or {}).get("receipt", 0)), newest - NEWEST)
    if newest <= seen:
        return 0
    rows = Receipt.objects.filter(pk__gt=seen, pk__lte=newest).order_by().values_list("account_id")
    for account_id, last in rows.annotate(last=Max("received_at")):
        of_it = Account.objects.filter(pk=account_id)
        of_it.filter(receipt_at=None).update(receipt_at=last)
        of_it.filter(receipt_at__lt=last).update(receipt_at=last)
    Bookmark.objects.filter(pk=mark.pk).update(at=now, detail={"receipt": newest})
    return 0


def proven_at(account: Account) -> datetime | None:
    """When a verified receipt or a test of it came last; None for never."""
    test = account.callback_tests.exclude(arrived_at=None).order_by(F("arrived_at").desc()).first()
    return max(filter(None, [account.receipt_at, test.arrived_at if test else None]), default=None)
