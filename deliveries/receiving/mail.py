"""Mail onto disk: what a mail server pipes in, and what waits in a mailbox. Each becomes a receipt, like a callback.

Everything is kept, also what bears no token of ours: only reading it shows whether it is about mail of ours.
"""

from __future__ import annotations

import imaplib
import logging
import re
import ssl
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.providers.smtp_marks import DOMAIN, ENVELOPE_TO, PROOF, domain_of, envelope_to, has_token
from deliveries.receiving.storing import Incoming, store
from deliveries.wake import wake

logger = logging.getLogger(__name__)

KIND, METHOD = "dsn", "MAIL"
CUT = "x-waybill-cut-from"  # how many bytes there were, where RECEIPT_MAX_BYTES was less
IMAP_PORT = "993"
IMAP_SECONDS = 30
AT_ONCE = 1_000  # mails of one mailbox in one round


class MailboxAway(Exception):
    """The mailbox could not be read; the text says what the server or the network said."""


def takes_mail(account: Account) -> bool:
    return account.provider in PROVIDERS and KIND in PROVIDERS[account.provider].kinds


def keep(account: Account, raw: bytes, to: str = "", *, length: int = 0, now: datetime | None = None) -> None:
    """Store one mail for this account; it is on disk when this returns, and the workers have been woken.

    `to` is the envelope recipient; without a token of ours in it, as behind an alias, the mail's own headers are asked.
    `length` is what the mail had before somebody cut it. Raises what the database raises.
    """
    length, raw = max(length, len(raw)), raw[: settings.RECEIPT_MAX_BYTES]
    if not has_token(to):
        named = envelope_to(raw)
        to = named if has_token(named) else to or named
    headers = {ENVELOPE_TO: to, DOMAIN: domain_of(account.credentials)}
    adapter = PROVIDERS[account.provider]
    if not adapter.verify(Call(METHOD, "", "", headers, raw), account.credentials):
        headers[PROOF] = "no"
    if length > len(raw):
        headers[CUT] = str(length)
    reach_the_disk()
    store([Incoming(account.pk, KIND, now or timezone.now(), METHOD, "", headers, raw)])
    transaction.on_commit(wake)


def reach_the_disk() -> None:
    """Let SQLite wait for the disk at each commit from now on, as PostgreSQL does: the sender keeps no copy."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


# ---- Mailboxes -----------------------------------------------------------------------------------------------


def mailboxes(names: Iterable[str] = ()) -> list[Account]:
    """The accounts that name a mailbox to fetch from; of these names, where some are given."""
    accounts = Account.objects.filter(active=True)
    if names:
        accounts = accounts.filter(name__in=names)
    return [each for each in accounts if takes_mail(each) and each.credentials.get("imap_host")]


def fetch(account: Account) -> int:
    """Keep what is unseen in the account's mailbox, and mark each mail as seen once it is on disk. Returns how many.

    A crash in between fetches a mail again, which changes nothing. Raises MailboxAway, and what the database raises.
    """
    credentials = {name: str(value) for name, value in account.credentials.items()}
    try:
        with imaplib.IMAP4_SSL(
            credentials["imap_host"], int(credentials.get("imap_port") or IMAP_PORT),
            ssl_context=ssl.create_default_context(), timeout=IMAP_SECONDS,
        ) as box:  # fmt: skip
            box.login(credentials.get("imap_user", ""), credentials.get("imap_password", ""))
            _select(box, credentials.get("imap_folder") or "INBOX")
            n = 0
            for uid, raw, length in unseen(box):
                keep(account, raw, length=length)
                box.uid("STORE", uid, "+FLAGS", r"(\Seen)")
                n += 1
            return n
    except (imaplib.IMAP4.error, OSError, ValueError) as problem:
        raise MailboxAway(f"{account.name}: {problem}") from problem


def _select(box: imaplib.IMAP4, folder: str) -> None:
    quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
    answer, data = box.select(f'"{quoted}"')
    if answer != "OK":
        raise MailboxAway(f"folder {folder!r}: {data[0]!r}")


def unseen(box: imaplib.IMAP4) -> Iterator[tuple[str, bytes, int]]:
    """(uid, mail, its length) of what nobody has seen; of a longer mail the first RECEIPT_MAX_BYTES."""
    _, found = box.uid("SEARCH", "UNSEEN")
    for uid in (found[0] or b"").decode("ascii").split()[:AT_ONCE]:
        _, items = box.uid("FETCH", uid, f"(RFC822.SIZE BODY.PEEK[]<0.{settings.RECEIPT_MAX_BYTES}>)")
        for item in items:
            if isinstance(item, tuple):
                size = re.search(rb"RFC822\.SIZE (\d{1,12})", item[0])
                yield uid, item[1], int(size[1]) if size else 0
