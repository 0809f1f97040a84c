"""What has to be there before some pages of campaigns, segments and senders have something to show."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from campaigns import drafting, registering
from campaigns.models import Brand, Campaign, Content, Segment, Sender
from campaigns.playbook_changes import save_playbook
from contacts.models import Address, AutomaticAnswer, Consent, Contact, ContactList, ListMembership
from deliveries.ledger import engagement, tallies
from deliveries.models import CampaignStop, Canary, Engagement, Message, SavedView
from deliveries.outcomes import causes_step
from deliveries.sending import breaker, checks, mail_checks, trying
from tests.browser.world import DRAFT, LIVE, REPORT

MEANT = [
    {"is": "campaign", "campaign": 0, "outcome": "not_in"},
    {"is": "stage", "stages": ["customer", "lead"]},
    {"is": "field", "field": "tags", "words": ["vip", "a word that is rather long"]},
]
WORDS = "It’s time for your check-up, {first_name}: https://bit.ly/x \N{GRINNING FACE} Reply STOP to opt out."


def _conditions() -> dict:
    report = Campaign.objects.get(slug=REPORT).pk
    return {"all": [one | ({"campaign": report} if "campaign" in one else {}) for one in MEANT]}


def whole_draft() -> str:
    """A draft by all channels, with conditions, a first slice, a dear text, and a test that was sent."""
    marketer, now = User.objects.get(username="marketer"), timezone.now()
    draft = Campaign.objects.get(slug=DRAFT)
    draft.canary_percent, draft.conditions = 5, {"all": _conditions()["all"][:1], "hold_out": 5}
    draft.conditions["all"] += [{"is": "stage", "stages": ["lapsed"], "not": True}]
    draft.save()
    for channel in {"sms", "voice", "rvm"} - set(draft.contents.values_list("channel", flat=True)):
        sender = drafting.usual_sender(channel)
        Content.objects.create(campaign=draft, channel=channel, sender=sender, body=WORDS)
    own = trying.keep(marketer, "dana.okafor.of.the.example.clinic@example.com", now)
    trying.keep(marketer, "+12125550123", now)
    type(own).objects.filter(pk=own.pk).update(proven_at=now)
    person = draft.lists.earliest("pk").memberships.earliest("pk").contact
    made = trying.try_out(draft, "email", person, own, now)
    AutomaticAnswer.objects.filter(pk=made.pk).update(state="sent", reported="delivered")
    return f"/campaigns/{DRAFT}/edit/"


def empty_draft() -> str:
    """A draft of which only the name is there."""
    made = drafting.make_draft("Nothing yet", User.objects.get(username="admin"))
    return f"{made.get_absolute_url()}edit/"


def changed_playbook() -> str:
    """A shared playbook that a running campaign follows, and that somebody has changed."""
    playbook = Campaign.objects.get(slug=LIVE).playbook
    playbook.retries, playbook.switch_to = 3, ["voice", "email"]
    save_playbook(playbook, by=User.objects.get(username="admin"), now=timezone.now())
    return f"/playbooks/{playbook.pk}/"


def held_draft() -> str:
    """The page on which a warning is accepted that holds a launch: a new sender, with many people."""
    marketer, now = User.objects.get(username="marketer"), timezone.now()
    draft = drafting.make_draft("A word to everybody, from a new address", marketer)
    many = ContactList.objects.create(name="Everybody", slug="everybody")
    people = Contact.objects.bulk_create(
        Contact(name=f"Robin {n}", source=many) for n in range(checks.NEW_SENDER_MOST + 1)
    )
    ListMembership.objects.bulk_create(ListMembership(contact=one, contact_list=many) for one in people)
    Address.objects.bulk_create(
        Address(contact=one, kind="email", value=f"robin{n}@example.com", validity="valid")
        for n, one in enumerate(people)
    )
    Consent.objects.bulk_create(
        Consent(contact=one, channel="email", opted_in=True, at=now - timedelta(days=1), how="Form")
        for one in people
    )
    draft.lists.set([many])
    draft.channel = "email"
    draft.save()
    sender = drafting.usual_sender("email")
    Sender.objects.filter(pk=sender.pk).update(created_at=now)
    draft.contents.exclude(channel="email").delete()
    Content.objects.update_or_create(
        campaign=draft, channel="email", defaults={"sender": sender, "subject": "News", "body": WORDS}
    )
    return f"/campaigns/{draft.slug}/override/sender_may_send/"


def follow_up() -> str:
    """The composer of a campaign that follows another."""
    report = Campaign.objects.get(slug=REPORT)
    made = drafting.make_follow_up(report, "not_clicked", 48, User.objects.get(username="marketer"))
    return f"/campaigns/{made.slug}/edit/"


def followed() -> str:
    """A report of which the follow-ups are listed, and whose people clicked, replied and opened."""
    follow_up()
    campaign = Campaign.objects.get(slug=REPORT)
    reached = Message.objects.filter(campaign=campaign, disposition="DELIVERED").order_by("pk")[:24]
    kinds = ("click", "key_press", "open", "click", "key_press")
    for place, message in enumerate(reached):
        Engagement.objects.create(
            contact_id=message.contact_id, message_id=message.pk, channel=message.channel, at=timezone.now(),
            kind=kinds[place % len(kinds)], machine=place % 7 == 6,
        )  # fmt: skip
        engagement.note({message.pk})
    tallies.fold_all()
    return f"/campaigns/{REPORT}/"


def counted(url: str) -> str:
    """A page that shows what was counted of the causes of a report."""
    report, now = Campaign.objects.get(slug=REPORT), timezone.now()
    causes_step.count(causes_step.ask(report, None, now), now)
    return url


def stopped() -> str:
    """A campaign that stopped by itself, with what it can go on without."""
    campaign = Campaign.objects.get(slug=LIVE)
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    carrier = {
        "dimension": "carrier",
        "value": "BlueRiver",
        "label": "BlueRiver (SMS)",
        "failed": 22,
        "sent": 27,
    }
    source = {"dimension": "source", "value": "1", "label": "Clinic import Oct", "failed": 9, "sent": 18}
    code = {"dimension": "code", "value": "FILTERED", "label": "Filtered as spam", "failed": 35, "sent": None}
    link = {"dimension": "link", "value": "bit.ly", "label": "bit.ly", "failed": 0, "sent": None}
    CampaignStop.objects.create(
        campaign=campaign, at=timezone.now(), kind="lasting", sent=100, failed=38, usual=0.05, tolerated=0.1,
        waiting=1_804, saved="36.08", causes=[code, carrier, source, link],
        parts=[{**one, "channel": "sms"} for one in (carrier, source)],
    )  # fmt: skip
    return campaign.get_absolute_url()


def unguarded() -> str:
    """A campaign that goes on whatever fails, as an administrator decided after a change of mind."""
    campaign, admin = Campaign.objects.get(slug=LIVE), User.objects.get(username="admin")
    for on, reason in (
        (True, "The carrier is done."),
        (False, "The carrier knows of it, and asked us to go on."),
    ):
        Campaign.objects.filter(pk=campaign.pk).update(breaker=not on)
        breaker.switch(campaign, on, reason=reason, by=admin, now=timezone.now())
    return campaign.get_absolute_url()


def first_slice() -> str:
    """A campaign of which the rest waits for its first slice."""
    campaign = Campaign.objects.get(slug=LIVE)
    Canary.objects.create(campaign=campaign, share=500, wanted=30, began_at=timezone.now())
    return campaign.get_absolute_url()


def two_wordings() -> str:
    """A text that was changed, compared."""
    content = Content.objects.filter(campaign__slug=REPORT).earliest("pk")
    content.body = f"{content.body.replace('your', 'Your own')} See you on Monday."
    content.save()
    return f"/campaigns/{REPORT}/wordings/{content.channel}/"


def saved_views(address: str) -> str:
    """`address`, once there are a view of the marketer's own and a shared one; it may name {pk}."""
    me = User.objects.get(username="marketer")
    mine, _ = SavedView.objects.get_or_create(
        name="To retry by SMS", owner=me, defaults={"queue": "retry", "filters": {"channel": "sms"}}
    )
    SavedView.objects.get_or_create(
        name="Delivered lately",
        owner=me,
        defaults={"filters": {"status": "success", "days": "7"}, "shared": True},
    )
    return address.format(pk=mine.pk)


def segments(address: str) -> str:
    """`address`, once there are a shared segment and one of the marketer's own; it may name {pk}."""
    marketer = User.objects.get(username="marketer")
    for name, shared in (("Reached in autumn, with a name that is rather long", True), ("Only mine", False)):
        made, _ = Segment.objects.get_or_create(
            name=name, defaults={"shared": shared, "created_by": marketer, "conditions": _conditions()}
        )
        made.lists.set(ContactList.objects.order_by("pk")[:3])
    return address.format(pk=made.pk)


def brands(address: str) -> str:
    """`address`, once there is a second brand."""
    made, _ = Brand.objects.get_or_create(name="Example Eye Care", defaults={"domains": ["eyes.example"]})
    return address.format(pk=made.pk)


def unregistered_sender() -> int:
    """A toll-free number of which a carrier said no, and that waits for its verification."""
    sender, made = Sender.objects.get_or_create(
        channel="sms", value="+18885550142", defaults={"name": "Toll-free"}
    )
    if made:
        registering.begin(sender, User.objects.get(username="admin"), timezone.now())
    return sender.pk


def sender_with_dns() -> int:
    """The From address, of a domain that lacks DKIM and DMARC."""
    sender = Sender.objects.get(channel="email")

    class Answers:
        def txt(self, name: str) -> list[str]:
            return ["v=spf1 +all"] if name == "example.com" else []

        def mx(self, name: str) -> list[str]:
            return ["mx.example.com"]

    mail_checks.ask(sender, timezone.now())
    mail_checks.run(timezone.now(), Answers())
    return sender.pk
