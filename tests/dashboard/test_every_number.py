"""Each number on a campaign's report opens a list with exactly that many rows: all of them are opened."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.utils import timezone

from campaigns.models import Recipient
from deliveries.ledger import engagement, tallies
from deliveries.models import Engagement, Message
from deliveries.statuses import Status
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db
NUMBER = re.compile(r"(?<![\w.,+])(\d{1,3}(?:,\d{3})*)(?![\d.,]*[\d%:])")


class Links(HTMLParser):
    """The links of a page's main part, each with its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.inside = False
        self.href = ""
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.inside = self.inside or tag == "main"
        if tag == "a" and self.inside:
            self.href, self.words = given.get("href", ""), []

    def handle_data(self, data):
        self.words.append(data)

    def handle_endtag(self, tag):
        if tag == "a" and self.href:
            self.found.append((self.href, " ".join(" ".join(self.words).split())))
            self.href = ""
        self.inside = self.inside and tag != "main"


def numbers(page: str) -> list[tuple[str, int, str]]:
    """Each link to a list, with the number that it shows and its words. Links without a number are no such."""
    found = [
        (href, words) for href, words in Links(page).found if href.startswith("/") and "/export/" not in href
    ]
    lists = [(href, words) for href, words in found if "?" in href or "/queues/" in href]
    return [
        (href, int(match[1].replace(",", "")), words)
        for href, words in lists
        if not words.startswith("Next ") and (match := NUMBER.search(words))
    ]


def rows(client, address: str) -> tuple[int, int]:
    """How many rows the list says that it has, and how many its pages hold."""
    page = client.get(address).content.decode()
    said = re.search(r'id="count"[^>]*>\s*([\d,]+)', page)
    total = page.count('<tr tabindex="-1"')
    while following := re.search(r'id="next-page" href="([^"]+)"', page):
        page = client.get(following[1].replace("&amp;", "&")).content.decode()
        total += page.count('<tr tabindex="-1"')
    return int(said[1].replace(",", "")) if said else total, total


@pytest.fixture
def campaign():
    """Of everything something: each disposition, two channels, carriers and lists, people skipped, retried, who
    clicked and who are open, messages canceled before they left."""
    lists = [factories.contact_list(name="Expo"), factories.contact_list(name="Shop")]
    now = timezone.now()
    made = reporting_rows.campaign(
        [0] * 60 + [1, 2, 3, 4, 5, 6] * 3 + [1, 2],
        lists=lists,
        launched_at=now - timedelta(hours=2),
        track_links=True,
    )
    messages = list(Message.objects.order_by("pk"))
    Message.objects.filter(pk__in=[one.pk for one in messages[::3]]).update(
        carrier="Carrier A", region="US-CA"
    )
    Message.objects.filter(pk__in=[one.pk for one in messages[1::3]]).update(
        carrier="Carrier B", region="US-NY"
    )
    retried = messages[60]
    factories.message(
        retried.recipient, address=retried.address, status=Status.DELIVERED, follows=retried, attempt=2,
        account=retried.account, sender=retried.sender,
    )  # fmt: skip
    Recipient.objects.filter(pk=retried.recipient_id).update(state="reached")
    for reason in ("no_consent", "no_consent", "opted_out"):
        skipped = factories.recipient(made)
        Recipient.objects.filter(pk=skipped.pk).update(state="skipped", skip_reason=reason)
    planned = factories.recipient(made)
    factories.message(
        planned, status=Status.CANCELED, canceled_at=now, account=retried.account, sender=retried.sender
    )
    Recipient.objects.filter(state="reached").update(reached_by="sms", reached_at=now)
    for message in messages[:4]:
        Engagement.objects.create(
            contact=message.contact, message_id=message.pk, channel="sms", kind="click", at=now
        )
        engagement.note({message.pk})
    tallies.fold_all()
    type(made).objects.filter(pk=made.pk).update(
        expanded_count=made.recipients.count(), audience_size=made.recipients.count()
    )
    reporting_rows.count()
    tallies.rebuild(tallies.EngagementTally)
    return made


@pytest.mark.parametrize("query", ["", "?carrier=Carrier+A", "?person=failed", "?queue=retry"])
def test_every_number_of_a_report_opens_that_many_rows(login, campaign, query):
    marketer = login("marketer")
    found = numbers(marketer.get(campaign.get_absolute_url() + query).content.decode())

    wrong = {words: (n, *opened) for href, n, words in found if {n} != set(opened := rows(marketer, href))}

    assert len(found) >= 25
    assert not wrong
