"""Lists of the admin at a million rows: what the database does to answer a search or a filter, told by its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from campaigns.models import Recipient
from contacts.admin import CappedPaginator, Large
from contacts.models import Address, AddressHealth, Consent, Contact, ListMembership, Note, Suppression
from deliveries.models import (
    Batch,
    BatchItem,
    Decision,
    Engagement,
    FailureIndex,
    Message,
    PendingReceipt,
    QueueEntry,
    Receipt,
)
from tests import factories

pytestmark = pytest.mark.django_db

MANY, FEW = 3_000, 3
BIG = [
    Contact,
    Address,
    AddressHealth,
    ListMembership,
    Consent,
    Note,
    Suppression,
    Recipient,
    Message,
    Receipt,
    Decision,
    Engagement,
    QueueEntry,
    FailureIndex,
    BatchItem,
]
TABLES = {model._meta.db_table for model in BIG}
NAMES = ["+15125550017", "(512) 555-0017", "person@example.com", "E17", "sbx-17", "nobody"]
PARTIAL = {
    index.name
    for model in BIG
    for index in [*model._meta.indexes, *model._meta.constraints]
    if getattr(index, "condition", None)
}


def suppressions(many, **fields):
    Suppression.objects.bulk_create(
        Suppression(value=f"+1512555{n:04d}", origin="import", **fields) for n in range(many)
    )


@pytest.fixture
def rows():
    """Of nearly everything MANY rows that are alike, and FEW that a filter picks out."""
    now = timezone.now()
    common, rare = factories.campaign(), factories.campaign()
    Contact.objects.bulk_create(Contact(external_id=f"E{n}") for n in range(MANY))
    people = list(Contact.objects.order_by("pk").values_list("pk", flat=True))
    of = people.__getitem__

    def campaign_of(n):
        return (rare if n < FEW else common).pk

    def fill(model, **fields):
        model.objects.bulk_create(
            model(**{name: value(n) if callable(value) else value for name, value in fields.items()})
            for n in range(MANY)
        )
        return list(model.objects.order_by("pk").values_list("pk", flat=True)).__getitem__

    address_of = fill(Address, contact_id=of, kind="phone", value=lambda n: f"+1512555{n:04d}")
    fill(AddressHealth, address_id=address_of, channel="sms")
    fill(ListMembership, contact_id=of, contact_list=factories.contact_list())
    fill(Consent, contact_id=of, channel="sms", opted_in=True)
    fill(Note, contact_id=of)
    recipient_of = fill(Recipient, contact_id=of, campaign_id=campaign_of)
    message_of = fill(
        Message,
        recipient_id=recipient_of,
        contact_id=of,
        address_id=address_of,
        campaign_id=campaign_of,
        account=factories.account(),
        sender=factories.sender(),
        channel="sms",
        provider_message_id=lambda n: f"sbx-{n}",
        created_on=now.date(),
        due_at=now,
    )
    receipt_of = fill(Receipt, account_id=1, received_at=now, body=b"{}")
    fill(PendingReceipt, receipt_id=receipt_of, state=lambda n: "dead" if n < FEW else "new")
    fill(Decision, recipient_id=recipient_of, contact_id=of, at=now, step="wait")
    fill(Engagement, contact_id=of, channel="sms", kind="reply", at=now, receipt_id=receipt_of)
    like = {
        "message_id": message_of,
        "contact_id": of,
        "campaign_id": campaign_of,
        "channel": "sms",
        "at": now,
    }
    fill(QueueEntry, **like, queue=lambda n: "retry" if n < FEW else "watch")
    fill(FailureIndex, **like)
    asked = {"action": "retry", "selection": {}, "selected_at": now, "created_by": factories.user()}
    batches = [Batch.objects.create(**asked).pk for _ in range(5)]
    fill(BatchItem, batch_id=lambda n: batches[n % 5], message_id=message_of, outcome="acted")
    suppressions(MANY, reason="imported")
    for reason in ("stop", "complaint", "hard_bounce", "hard_fails", "staff"):
        suppressions(FEW, reason=reason)
    suppressions(FEW, reason="imported", channel="sms", released_at=now)
    suppressions(FEW, reason="imported", channel="email", expires_at=now - timedelta(days=1))
    analyze()


def analyze():
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def changelist(model, rf, data):
    request = rf.get("/", data)
    request.user = User(is_superuser=True, is_active=True, is_staff=True)
    return admin.site._registry[model].get_changelist_instance(request)


def filters(model, rf) -> Iterator[dict[str, str]]:
    """Each choice that leaves few rows: of the many, fifty are found at once without any index."""
    listing = changelist(model, rf, {})
    for each in listing.filter_specs:
        for choice in each.choices(listing):
            data = dict(parse_qsl(choice["query_string"].removeprefix("?")))
            if data and changelist(model, rf, data).queryset.count() < MANY / 20:
                yield data


def reads_all(model, rf, data) -> list[str]:
    """How the page and its count, for `data`, go through a whole big table. What is named by a partial index is few."""
    found = changelist(model, rf, data).queryset
    return [
        f"{model._meta.label} {data}: {step}"
        for rows in (found[:50], found.order_by()[: CappedPaginator.CAP])
        for step in steps(rows)
    ]


def steps(rows: QuerySet) -> Iterator[str]:
    if connection.vendor == "sqlite":
        for line in rows.explain().splitlines():
            words = line.split()
            scanned = words[words.index("SCAN") + 1] if "SCAN" in words else ""
            if (scanned in TABLES or scanned[:1] == "U") and not PARTIAL & set(words):
                yield line
        return
    explained = rows.explain(format="json")  # '' where nothing can be found, and nothing is asked
    plans = [json.loads(explained)[0]["Plan"]] if explained else []
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        looks_up = "Index Cond" in plan or plan.get("Index Name") in PARTIAL
        if plan.get("Relation Name") in TABLES and plan["Node Type"] != "Bitmap Heap Scan" and not looks_up:
            yield f"{plan['Node Type']} of {plan['Relation Name']} {plan.get('Filter', '')}"


def test_a_search_of_a_big_table_is_answered_by_an_index(rows, rf):
    message = Message.objects.all()[17]
    terms = [*NAMES, str(message.pk), str(message.contact_id), str(message.uuid)]

    searched = [model for model in BIG if admin.site._registry[model].search_fields]
    slow = [step for model in searched for term in terms for step in reads_all(model, rf, {"q": term})]

    assert not slow, "\n".join(slow)


def test_a_filter_of_a_big_table_is_answered_by_an_index(rows, rf):
    slow = [step for model in BIG for data in filters(model, rf) for step in reads_all(model, rf, data)]

    assert not slow, "\n".join(slow)


def test_suppressions_that_block_are_found_by_an_index_among_many_that_do_not(rows, rf):
    Suppression.objects.filter(reason="imported").update(released_at=timezone.now())
    analyze()

    assert reads_all(Suppression, rf, {"state": "blocking"}) == []


@pytest.mark.parametrize("model", BIG, ids=lambda model: model._meta.model_name)
def test_big_tables_are_neither_sorted_at_will_nor_counted_by_facet(model):
    found = admin.site._registry[model]

    assert isinstance(found, Large)
    assert (found.sortable_by, found.show_facets) == ((), admin.ShowFacets.NEVER)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("campaigns/recipient", "Wrong line type"),
        ("deliveries/decision", "Checked before sending"),
        ("deliveries/batchitem", "The number cannot take this channel"),
    ],
)
def test_lists_of_the_record_name_reasons_in_words(client, path, words):
    skipped = factories.recipient(state="skipped", skip_reason="wrong_line")
    Decision.objects.create(
        recipient=skipped, contact=skipped.contact, at=timezone.now(), by="gate", rule="wrong_line", step="none",
        reason="Not sent.",
    )  # fmt: skip
    staff = factories.user("admin", is_staff=True, is_superuser=True)
    batch = Batch.objects.create(action="retry", selection={}, selected_at=timezone.now(), created_by=staff)
    message = factories.message()
    BatchItem.objects.create(batch=batch, message=message, outcome="skipped", reason="wrong_line")
    client.force_login(staff)

    listed = client.get(f"/admin/{path}/").content.decode()

    assert words in listed
    assert "wrong_line" not in listed
