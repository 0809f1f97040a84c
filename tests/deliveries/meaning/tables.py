"""Receipts by a code, and changes of what a code means, as tests make them."""

from __future__ import annotations

from datetime import timedelta

from deliveries.deciding.followup import follow_status_changes
from deliveries.meaning import drafts, mappings, occurrences
from deliveries.meaning.translation import Key
from deliveries.receiving import recording, replay, storing
from deliveries.receiving.storing import Incoming
from deliveries.statuses import Status
from tests import factories

FORM = {"content-type": "application/x-www-form-urlencoded"}
UNKNOWN_NUMBER = Key("twilio", "sms", "error", "30005")
HOUR = timedelta(hours=1)


def sent(account, **fields):
    fields.setdefault("handed_over_at", fields.get("created_at"))
    return factories.message(account=account, status=Status.SENDING, **fields)


def receive(message, now, status, code=""):
    body = f"MessageSid=SM{message.pk}&MessageStatus={status}" + (f"&ErrorCode={code}" if code else "")
    query = f"m={message.uuid}&c=sms"
    storing.store([Incoming(message.account_id, "status", now, "POST", query, FORM, body.encode())])


def work(now):
    recording.record_all(now)
    occurrences.count(now)
    while follow_status_changes(now):
        pass


def values(**changes):
    base = {"name": "Unknown", "meaning": "No such number", "status": "undelivered", "failure_class": "permanent",
            "fault": "recipient", "verified": True}  # fmt: skip
    return {**base, **changes}


def soften(now, by=None):
    """Publish: 30005 is temporary from now on."""
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="temporary"), by)
    version = drafts.open_draft()
    drafts.publish(version, note="The carrier ports numbers", by=by, now=now)
    mappings.forget()
    version.refresh_from_db()
    return version


def replay_all(now):
    done = 0
    while looked_at := replay.run(now):
        done += looked_at
    while follow_status_changes(now):
        pass
    return done
