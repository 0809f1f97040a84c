"""Rows for tests: plain functions with defaults, every default can be overridden by name.

Each call makes a new, valid row and whatever it stands on. Names are made up, numbers come from the range
kept for fiction (NPA 555 01xx), addresses from example.com.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import cache
from typing import Any

import phonenumbers
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from accounts.roles import ADMINISTRATOR, MARKETER, SUPPORT, sync_roles
from campaigns.models import Campaign, Content, Playbook, Recipient, Registration, Sender
from campaigns.registering import requirements
from campaigns.sender_values import TEXTS
from contacts.channels import KIND_OF, Channel, Kind, LineType
from contacts.jurisdictions import Purpose
from contacts.models import Address, Contact, ContactList, ListMembership, Reply
from deliveries.models import Account, Heartbeat, Message, PendingReceipt, QueueEntry, Receipt
from deliveries.providers import PROVIDERS
from deliveries.statuses import (
    Disposition,
    Evidence,
    FailureClass,
    Fault,
    Meaning,
    Status,
    disposition,
    fact_key,
    precedence,
)

_numbers = itertools.count(1)
PASSWORD = "correct horse battery"
ROLE_NAMES = {"marketer": MARKETER, "admin": ADMINISTRATOR, "support": SUPPORT}


@cache
def _area_codes() -> list[int]:
    """Those that are given out: pages refuse numbers of any other."""
    return [
        code
        for code in range(210, 910)
        if phonenumbers.is_valid_number(phonenumbers.parse(f"+1{code}5550100"))
    ]


def phone_number(n: int | None = None) -> str:
    """A fictitious North American number, E.164; the same `n` gives the same one."""
    n = next(_numbers) if n is None else n
    codes = _area_codes()
    return f"+1{codes[n // 100 % len(codes)]}555{100 + n % 100:04d}"


def user(role: str = "", **fields: Any) -> User:
    """Somebody who logs in with PASSWORD. `role` is marketer, admin or support; '' may do nothing."""
    fields.setdefault("username", f"{role or 'user'}{next(_numbers)}")
    made = User.objects.create_user(password=fields.pop("password", PASSWORD), **fields)
    if role:
        if not Group.objects.filter(name=ROLE_NAMES[role]).exists():  # tables made without migrations
            sync_roles()
        made.groups.add(Group.objects.get(name=ROLE_NAMES[role]))
    return made


def contact_list(**fields: Any) -> ContactList:
    n = next(_numbers)
    fields.setdefault("name", f"List {n}")
    fields.setdefault("slug", f"list-{n}")
    return ContactList.objects.create(**fields)


def contact(*, lists: list[ContactList] | None = None, **fields: Any) -> Contact:
    """A person without addresses; `lists` are joined, and the first is the source unless one is given."""
    fields.setdefault("name", f"Robin Example {next(_numbers)}")
    if lists:
        fields.setdefault("source", lists[0])
    made = Contact.objects.create(**fields)
    ListMembership.objects.bulk_create(ListMembership(contact=made, contact_list=one) for one in lists or [])
    return made


def phone(contact: Contact | None = None, **fields: Any) -> Address:
    """A mobile number, of a new contact unless one is given."""
    fields.setdefault("value", phone_number())
    fields.setdefault("line_type", LineType.MOBILE)
    fields.setdefault("carrier", "Carrier A")
    fields.setdefault("region", "US-TX")
    fields.setdefault("time_zone", "America/Chicago")
    fields.setdefault("validity", Address.Validity.VALID)
    return Address.objects.create(contact=contact or _new_contact(), kind=Kind.PHONE, **fields)


def email(contact: Contact | None = None, **fields: Any) -> Address:
    """An email address, of a new contact unless one is given."""
    fields.setdefault("value", f"person{next(_numbers)}@example.com")
    fields.setdefault("validity", Address.Validity.VALID)
    return Address.objects.create(contact=contact or _new_contact(), kind=Kind.EMAIL, **fields)


def sender(channel: str = Channel.SMS, **fields: Any) -> Sender:
    n = next(_numbers)
    value = f"news{n}@example.com" if KIND_OF[Channel(channel)] == Kind.EMAIL else phone_number(n)
    fields.setdefault("name", f"Sender {n}")
    fields.setdefault("value", value)
    fields.setdefault("state", Sender.State.APPROVED)
    made = Sender.objects.create(channel=channel, **fields)
    if made.state == Sender.State.APPROVED and made.channel in TEXTS:
        Registration.objects.bulk_create(_approvals(made))
    return made


def _approvals(sender: Sender) -> list[Registration]:
    """What an approved sender of texts has: for the USA, where those we write to are."""
    return [
        Registration(
            sender=sender, kind=one.kind, country=one.country, state=Registration.State.APPROVED,
            changed_at=sender.created_at,
        )
        for one in requirements(sender.channel, sender.value, "US")
    ]  # fmt: skip


def playbook(**fields: Any) -> Playbook:
    fields.setdefault("name", f"Playbook {next(_numbers)}")
    fields.setdefault("switch_to", [Channel.EMAIL])
    fields.setdefault("urgent_switch_to", [Channel.VOICE, Channel.EMAIL])
    return Playbook.objects.create(**fields)


def campaign(*, lists: list[ContactList] | None = None, **fields: Any) -> Campaign:
    """A campaign by SMS without content, a draft unless `state` says more; no marketing, which keeps lawful hours."""
    n = next(_numbers)
    fields.setdefault("name", f"Campaign {n}")
    fields.setdefault("slug", f"campaign-{n}")
    fields.setdefault("purpose", Purpose.SERVICE)
    if "playbook" not in fields:
        fields["playbook"] = playbook()
    made = Campaign.objects.create(**fields)
    made.lists.set(lists or [])
    return made


def content(campaign: Campaign, channel: str = "", **fields: Any) -> Content:
    """What the campaign says on `channel`, by default its own."""
    channel = channel or campaign.channel
    if "sender" not in fields:
        fields["sender"] = sender(channel)
    fields.setdefault("subject", "Hello" if channel == Channel.EMAIL else "")
    fields.setdefault("body", "Hello {first_name}, your appointment is tomorrow.")
    return Content.objects.create(campaign=campaign, channel=channel, **fields)


def account(provider: str = "sandbox", **fields: Any) -> Account:
    fields.setdefault("name", f"{provider} {next(_numbers)}")
    needed = dict.fromkeys(PROVIDERS[provider].credential_fields, "made-up") if provider in PROVIDERS else {}
    fields.setdefault("credentials", {**needed, "secret": "sandbox-secret"})
    fields.setdefault("channels", list(Channel.values))
    fields.setdefault("receipt_at", timezone.now())
    return Account.objects.create(provider=provider, **fields)


def recipient(campaign: Campaign | None = None, contact: Contact | None = None, **fields: Any) -> Recipient:
    campaign = campaign or _new_campaign(state=Campaign.State.SENDING)
    return Recipient.objects.create(campaign=campaign, contact=contact or _new_contact(), **fields)


def message(recipient: Recipient | None = None, **fields: Any) -> Message:
    """One attempt, handed over and sent unless `status` says otherwise.

    Everything it links to is made unless given. Disposition and precedence follow from status, class and fault.
    No tallies, no outbox row, no queue entry: those are what the code under test keeps.
    """
    recipient = recipient or _new_recipient(campaign=fields.get("campaign"), contact=fields.get("contact"))
    fields["campaign"] = campaign = recipient.campaign
    fields["contact"] = recipient.contact
    channel = fields.setdefault("channel", campaign.channel)
    if "address" not in fields:
        fields["address"] = (phone if KIND_OF[Channel(channel)] == Kind.PHONE else email)(recipient.contact)
    if "sender" not in fields:
        fields["sender"] = sender(channel)
    if "account" not in fields:
        fields["account"] = account()
    created_at = fields.setdefault("created_at", timezone.now())
    fields.setdefault("created_on", created_at.astimezone(UTC).date())
    fields.setdefault("due_at", created_at)
    fields.setdefault("carrier", fields["address"].carrier)
    fields.setdefault("region", fields["address"].region)
    fields.setdefault("list_source_id", recipient.contact.source_id or 0)
    fields.setdefault("goal", campaign.goal)
    fields.setdefault("priority", campaign.priority)
    return Message.objects.create(recipient=recipient, **_outcome(fields, created_at), **fields)


def _outcome(fields: dict[str, Any], created_at: datetime) -> dict[str, Any]:
    """The columns that follow from the status in `fields`, but for those given there."""
    status = fields.setdefault("status", Status.SENT)
    failure_class = fields.setdefault("failure_class", FailureClass.NONE)
    fault = fields.setdefault("fault", Fault.NONE)
    evidence = fields.setdefault("evidence", Evidence.CARRIER)
    meaning = Meaning(status, failure_class, fault, evidence)
    follows: dict[str, Any] = {
        "disposition": disposition(status, failure_class, fault, fields["goal"]),
        "precedence": precedence(meaning, fact_key(status, fields.get("reason_code", ""))),
    }
    if status != Status.QUEUED:
        follows |= {
            "handed_over_at": created_at,
            "sent_at": created_at,
            "provider_message_id": f"sbx-{next(_numbers)}",
        }
    if follows["disposition"] == Disposition.DELIVERED:
        follows["delivered_at"] = created_at
    return {name: value for name, value in follows.items() if name not in fields}


def receipt(
    account: Account | None = None, *, state: str | None = PendingReceipt.State.NEW, **fields: Any
) -> Receipt:
    """A stored receipt; pending in `state`, or already recorded when that is None."""
    account_id = fields.pop("account_id", None) or (account or _new_account()).pk
    fields.setdefault("kind", "status")
    fields.setdefault("received_at", timezone.now())
    fields.setdefault("body", b"{}")
    made = Receipt.objects.create(account_id=account_id, **fields)
    if state is not None:
        PendingReceipt.objects.create(receipt=made, state=state)
    return made


COPIED = [
    "campaign",
    "contact_id",
    "channel",
    "status",
    "disposition",
    "reason_code",
    "carrier",
    "list_source_id",
]


def queue_entry(message: Message, queue: str, **fields: Any) -> QueueEntry:
    """A message that stands in an action queue, its columns copied as the live code copies them."""
    for name in (
        "campaign",
        "contact_id",
        "channel",
        "status",
        "disposition",
        "reason_code",
        "carrier",
        "list_source_id",
    ):
        fields.setdefault(name, getattr(message, name))
    fields.setdefault("at", timezone.now())
    fields.setdefault("reason", "Made by a test.")
    return QueueEntry.objects.create(message=message, queue=queue, **fields)


def reply(message: Message, reading: str = Reply.Reading.OTHER, **fields: Any) -> Reply:
    """A reply that was found to answer the message."""
    n = next(_numbers)
    fields.setdefault("at", timezone.now())
    fields.setdefault("text", "STOP" if reading == Reply.Reading.STOP else "Thanks")
    return Reply.objects.create(
        value=message.address.value, channel=message.channel, reading=reading, fact=f"reply {n}",
        message_id=message.pk, campaign_id=message.campaign_id, **fields,
    )  # fmt: skip


# For the functions above whose parameter has the same name as the factory they fall back on.
_new_contact, _new_campaign, _new_account, _new_recipient = contact, campaign, account, recipient


def heartbeat(*roles: str, **fields: Any) -> Heartbeat:
    """The row of a process at work just now, of all roles unless some are named."""
    n = next(_numbers)
    fields.setdefault("host", "work-1")
    fields.setdefault("pid", n)
    fields.setdefault("at", timezone.now())
    fields.setdefault("started_at", fields["at"])
    fields.setdefault("step", "record")
    return Heartbeat.objects.create(roles=", ".join(roles or Heartbeat.Role.values), **fields)
