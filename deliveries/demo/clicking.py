"""The clicks of the demo: people who follow a link some while after they got it, and filters of mailboxes that follow
all of them at once. Visits as the short links keep them; the ordinary code makes clicks of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.models import Campaign
from campaigns.texts import contents_of
from contacts.channels import Channel
from deliveries import short_links
from deliveries.ledger.tallies import fold_all
from deliveries.models import LinkVisit, Message
from deliveries.providers.sandbox.carriers import Dice
from deliveries.receiving import clicks

CLICKED = {Channel.SMS: 0.11, Channel.MMS: 0.14, Channel.EMAIL: 0.06}  # of those whom it reached
SCANNED = {Channel.EMAIL: 0.04}
AT_ONCE = timedelta(milliseconds=400)  # after the mailbox took it


def people_click(seed: int, now: datetime) -> None:
    """In every campaign that counts clicks, until `now`. The same seed: the same people, at the same times."""
    contents = contents_of(Campaign.objects.filter(track_links=True).values_list("pk", flat=True))
    numbers = short_links.numbers(contents.values())
    arrived = Message.objects.filter(campaign__in=numbers, delivered_at__lte=now, channel__in=CLICKED)
    visits = []
    for message in arrived.select_related("address", "campaign").order_by("pk"):
        content = contents.get((message.campaign_id, message.channel))
        links = [numbers[message.campaign_id][url] for url in (content.tracked_addresses if content else [])]
        if not links or message.delivered_at is None:
            continue
        dice = Dice(seed, "click", message.campaign.slug, message.channel, message.address.value)
        channel = Channel(message.channel)
        if dice.chance("scanned", SCANNED.get(channel, 0.0)):
            at = message.delivered_at + AT_ONCE
            visits += [LinkVisit(message_id=message.pk, link_id=link, at=at) for link in links]
        if dice.chance("clicked", CLICKED[channel]):
            at = message.delivered_at + timedelta(minutes=dice.between("when", 2, 600))
            link = links[int(dice.roll("which") * len(links))]
            visits.append(LinkVisit(message_id=message.pk, link_id=link, at=at))
    LinkVisit.objects.bulk_create([one for one in visits if one.at < now - clicks.SETTLED], batch_size=1_000)
    while clicks.count(now):
        pass
    fold_all()
