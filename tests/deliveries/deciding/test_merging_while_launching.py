"""A launch and a merge at the same time: nobody is left out, and nobody is meant twice."""

from __future__ import annotations

import threading

import pytest
from django.db import connections
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.models import Contact
from deliveries.deciding import duplicates
from deliveries.deciding.duplicates import CannotMerge, merge
from deliveries.models import Message
from deliveries.outcomes.reconciling import unbalanced
from deliveries.sending.expansion import expand
from deliveries.sending.launching import launch, pause
from tests import factories
from tests.engine import agree, consent, sending

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by():
    return factories.user("admin")


@pytest.fixture
def people():
    """Two who are one, each on a list of their own, and somebody between them."""
    lists = [factories.contact_list(), factories.contact_list()]
    found = [factories.contact(lists=[lists[n]]) for n in (0, 0, 1)]
    for one in found:
        factories.phone(one)
        consent(one, "sms", at=timezone.now())
    return found[0], found[2], lists


@pytest.fixture
def draft(people):
    campaign = sending("sms", state=Campaign.State.DRAFT, lists=people[2])
    factories.account().senders.add(campaign.contents.get().sender)
    return campaign


def expand_all(campaign, chunk=1):
    while expand(campaign, timezone.now(), chunk):
        pass
    campaign.refresh_from_db()


@pytest.mark.parametrize("turned", [False, True], ids=["the-first-stays", "the-last-stays"])
def test_a_launch_waits_for_a_merge_that_has_begun(people, draft, by, monkeypatch, turned):
    kept, gone = people[1::-1] if turned else people[:2]
    merging, over = threading.Event(), threading.Event()
    join = duplicates._join_recipients

    def slowly(*args):
        join(*args)  # whoever the campaign means from here on, the merge knows nothing of
        merging.set()
        over.wait(1.0)  # as long as a launch would take that does not wait

    def launched():
        try:
            assert merging.wait(20)
            launch(draft, None, timezone.now())
            expand_all(draft)
        finally:
            over.set()
            connections.close_all()

    monkeypatch.setattr(duplicates, "_join_recipients", slowly)
    thread = threading.Thread(target=launched)
    thread.start()
    merge(kept.pk, gone.pk, by=by, now=timezone.now())
    thread.join(30)

    draft.refresh_from_db()
    assert (draft.state, draft.audience_size) == ("sending", 2)
    assert not Contact.objects.filter(pk__in=Recipient.objects.values("contact")).exclude(merged_into=None)
    assert Recipient.objects.count() == Message.objects.count() == 2
    assert Recipient.objects.filter(contact=kept).exists()
    assert agree()
    assert unbalanced() == []


def test_nobody_is_merged_while_their_campaign_is_launched(people, draft, by):
    launch(draft, None, timezone.now())
    expand(draft, timezone.now(), 1)

    with pytest.raises(CannotMerge, match="being launched"):
        merge(people[0].pk, people[1].pk, by=by, now=timezone.now())
    pause(draft, Campaign.State.LAUNCHING)
    with pytest.raises(CannotMerge, match="paused while it was launched"):
        merge(people[0].pk, people[1].pk, by=by, now=timezone.now())

    assert not Contact.objects.exclude(merged_into=None).exists()
