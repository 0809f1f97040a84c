"""The page about receivers: every account, gaps, and letters that could not be read."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from deliveries.ledger.receiver_counts import HANDED_OVER, slot_of
from deliveries.models import PendingReceipt, ReceiptGap, ReceiverCount
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(login):
    return login("admin")


def text(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def gap(account, **fields):
    now = timezone.now()
    fields.setdefault("began_at", now - timedelta(hours=1))
    return ReceiptGap.objects.create(account=account, noticed_at=now, per_hour=220, handed_over=180, **fields)


@pytest.mark.parametrize("role", ["marketer", "support", ""])
def test_it_is_for_administrators(login, role):
    made, client = gap(factories.account()), login(role)

    assert client.get("/receivers/").status_code == 403
    assert client.get("/receivers/letters/").status_code == 403
    assert client.post(f"/receivers/gaps/{made.pk}/release/", {"note": "x"}).status_code == 403
    assert client.post("/receivers/letters/retry/", {"one": 1}).status_code == 403


def test_an_account_is_shown_with_its_receipts_against_those_expected(admin):
    account = factories.account(name="Acme", forged=3, forged_at=timezone.now())
    slot = slot_of(timezone.now())
    for what, n in ((HANDED_OVER, 100), (1, 150), (4, 50)):
        ReceiverCount.objects.create(slot=slot, account_id=account.pk, what=what, n=n)
    factories.receipt(account, state=PendingReceipt.State.PARKED)

    page = text(admin, "/receivers/")

    assert "Acme Receipts come now 200 of about 200" in page
    assert "5 s or less 95 in 100: 5 min or less 3 now 1 0" in page


def test_a_silent_account_comes_first_and_says_what_is_held(admin):
    factories.account(name="Acme")
    gap(factories.account(name="Zeta"))

    page = text(admin, "/receivers/")

    assert page.index("Zeta Silent") < page.index("Acme")
    assert "About 220 an hour, got 0 180 Held: their evidence is missing" in page


def test_letting_go_asks_why_and_keeps_who(admin):
    made = gap(factories.account())
    address = f"/receivers/gaps/{made.pk}/release/"

    admin.post(address, {"note": ""})
    assert ReceiptGap.objects.get().holds

    admin.post(address, {"note": "They lost them for good"})
    made.refresh_from_db()
    assert (made.released_by, made.note) == (admin.user, "They lost them for good")
    assert "They lost them for good" in text(admin, "/receivers/")


def test_dead_letters_are_tried_again_one_by_one_or_by_their_reason(admin):
    account = factories.account(name="Acme")
    made = [factories.receipt(account, state=PendingReceipt.State.DEAD) for _ in range(3)]
    PendingReceipt.objects.filter(pk__in=[one.pk for one in made[:2]]).update(reason="No adapter.")
    PendingReceipt.objects.filter(pk=made[2].pk).update(reason="No message.")

    assert "No adapter. 2 Try 2 again" in text(admin, "/receivers/letters/")
    admin.post("/receivers/letters/retry/", {"reason": "No adapter."})

    page = text(admin, "/receivers/letters/")
    assert "2 by" in page
    assert "No message. 1 Try 1 again" in page
    admin.post("/receivers/letters/retry/", {"one": made[2].pk})
    assert "Every receipt of this kind has been processed." in text(admin, "/receivers/letters/")


def test_it_costs_the_same_for_one_account_and_for_many(admin, django_assert_num_queries):
    gap(factories.account())
    factories.receipt(state=PendingReceipt.State.DEAD)
    admin.get("/receivers/")
    with django_assert_num_queries(16):
        admin.get("/receivers/")
    for _ in range(9):
        gap(factories.account())
        factories.receipt(state=PendingReceipt.State.DEAD)

    with django_assert_num_queries(16):
        admin.get("/receivers/")
