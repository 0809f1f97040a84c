"""Every kind of page there is, by name, with who opens it and where."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts.models import User
from campaigns.models import Campaign, Sender
from contacts import import_runs, lists, opt_ins
from contacts.consenting import record_opt_out
from contacts.import_files import store_upload
from contacts.import_options import ImportOptions
from contacts.import_preview import check
from contacts.keyword_changes import change_keyword
from contacts.models import (
    Address,
    AutomaticAnswer,
    Contact,
    ContactImport,
    ContactList,
    KeywordChange,
    ListMembership,
    Reply,
    Suppression,
)
from deliveries.deciding import route_moves
from deliveries.deciding.erasing import erase_person
from deliveries.ledger import source_figures
from deliveries.ledger.latency import Latencies
from deliveries.meaning import drafts, occurrences
from deliveries.meaning.translation import Key
from deliveries.models import (
    Account,
    Alert,
    Backscatter,
    Batch,
    CodeAlarm,
    CodeDay,
    LookupRun,
    MappingVersion,
    Message,
    PendingReceipt,
    QueueEntry,
    Receipt,
    ReceiptGap,
    Route,
    RouteEvidence,
    SeenCode,
    SourceFigures,
    SuppressionEvidence,
)
from deliveries.outcomes.figures import queue_counts
from deliveries.sending import failover
from tests.browser import pages_of_campaigns as made_ready
from tests.browser.world import DRAFT, LIVE, REPORT


def busiest_contact() -> Contact:
    """Somebody with a suppression and several messages: every part of the trail shows."""
    blocked = Suppression.objects.filter(origin="rule").exclude(contact=None).earliest("pk")
    assert blocked.contact
    return blocked.contact


def looked_up(url: str) -> str:
    """The page with a look-up that goes on, and with one that was stopped."""
    admin = User.objects.filter(is_active=True).earliest("pk")
    made = ContactList.objects.earliest("pk")
    for state, why in (("running", ""), ("stopped", "Twilio Lookup refused the account (HTTP 401).")):
        LookupRun.objects.get_or_create(
            contact_list=made, state=state, why=why, service="twilio", cents_per_1000=800, total=1_200, asked=480,
            defaults={"told_before": timezone.now(), "created_by": admin},
        )  # fmt: skip
    return url


def release_of(contact: Contact) -> str:
    block = contact.suppressions.filter(origin="rule").earliest("pk")
    return f"/contacts/{contact.pk}/release/{block.pk}/"


def newest(model: type) -> int:
    return model.objects.latest("pk").pk  # type: ignore[attr-defined]


def failed_message() -> int:
    return Message.objects.filter(disposition="BOUNCED_HARD").earliest("pk").pk


def first_in(queue: str) -> int:
    return QueueEntry.objects.filter(queue=queue).earliest("pk").pk


def replies_written() -> list[int]:
    """Two replies that wait to be read, and one that was taken for an opt-out; their ids."""
    now = timezone.now()
    at_fault = Suppression.objects.values("value")
    people = (
        Address.objects.filter(kind="phone", preferred=True).exclude(value__in=at_fault).order_by("pk")[:3]
    )
    texts = ["Stop by the office tomorrow and I will sign", "no thanks", f"I moved {'far ' * 40}away. STOP"]
    made = []
    for person, text in zip(people, texts, strict=True):
        made.append(
            Reply.objects.create(
                doubtful=True,
                value=person.value, values=[person.value], channel="sms", text=text, found="stop", at=now,
                fact=f"test reply {person.pk}", acted="STOP" in text,
            ).pk
        )  # fmt: skip
        if "STOP" in text:
            said = {"evidence": text, "at": now, "fact": f"test reply {person.pk}"}
            record_opt_out(value=person.value, channel="sms", how="Reply", **said)
    return made


def plain_reply() -> int:
    """A reply that may be answered, with an answer that a colleague gave; its id."""
    message = Message.objects.filter(channel="sms", disposition="DELIVERED").earliest("pk")
    value = message.address.value
    made = Reply.objects.create(
        value=value, values=[value], channel="sms", text="Shall I bring the form?", fact="test reply",
        at=timezone.now(), sender_value=message.sender.value, account_id=message.account_id, message_id=message.pk,
        campaign_id=message.campaign_id,
    )  # fmt: skip
    AutomaticAnswer.objects.create(
        kind="person", address=message.address, match_key=made.match_key, fact="test answer", channel="sms", reply=made,
        sender_value=made.sender_value, account_id=message.account_id, text="Yes, please do.", state="sent",
        written_by=User.objects.get(username="support"), reported="delivered",
    )  # fmt: skip
    return made.pk


def with_changed_words(address: str) -> str:
    """`address`, once an administrator added a word of the replies, and made another unsure."""
    admin, now = User.objects.get(username="admin"), timezone.now()
    for text, meaning in (("schluss damit", "stop"), ("abmelden", "unsure")):
        if not KeywordChange.objects.filter(text=text).exists():
            change_keyword("de", text, meaning, by=admin, now=now)
    return address


def counted_lists(address: str) -> str:
    """`address`, once the worker has counted the lists."""
    while lists.count_some(timezone.now()):
        pass
    return address


def counted_sources(address: str) -> str:
    """`address`, once the worker has counted the people of sources and imports; one is far worse than the others."""
    now = timezone.now()
    while source_figures.count_some(now):
        pass
    worst = SourceFigures.objects.filter(with_result__gt=40).earliest("pk")
    worst.delivered, worst.hard_fails = worst.with_result // 3, worst.with_result // 2
    worst.save()
    return address


def made_list(name: str) -> ContactList:
    return lists.make_list(name, "Somebody typed this in", timezone.now())


def twice(address: str) -> str:
    """`address`, once somebody is there twice."""
    one = busiest_contact()
    other = Contact.objects.create(name=f"{one.name} once more", external_id="OLD-1")
    for each in one.addresses.filter(preferred=True):
        Address.objects.create(contact=other, kind=each.kind, value=each.value)
    return address.format(one=one.pk, other=other.pk)


def erased(address: str) -> str:
    """`address`, once somebody was erased."""
    one = busiest_contact()
    admin = User.objects.get(username="admin")
    erase_person(one.pk, by=admin, reason="Asked by letter", now=timezone.now())
    return address.format(one=one.pk)


def with_replies(address: str) -> str:
    """`address`, once there are replies to read."""
    replies_written()
    return address


def with_work(address: str) -> str:
    """`address`, once replies ask for something, one of which is somebody's."""
    first, second, third = replies_written()
    Reply.objects.filter(pk__in=[first, second]).update(asks="call")
    Reply.objects.filter(pk=third).update(asks="wrong", owner=User.objects.get(username="support"))
    return address


def asking_list(address: str) -> str:
    """`address` of a list that asks by text, with its number."""
    found = ContactList.objects.latest("pk")
    sender = Sender.objects.filter(channel="sms").earliest("pk")
    opt_ins.change(found, "sms", sender.value, timezone.now())
    return address.format(found.pk)


def with_read_replies(address: str) -> str:
    """`address`, once somebody with a long name has read replies."""
    reader = User.objects.get(username="support")
    User.objects.filter(pk=reader.pk).update(first_name="Alexandra-Josephine", last_name="Fotheringham")
    now = timezone.now()
    Reply.objects.filter(pk__in=replies_written()).update(judgement="no_opt_out", read_by=reader, read_at=now)
    return address


def mapping_work(address: str) -> str:
    """`address`, once there is something to see there: words that were heard, an alarm, a draft, an edited version."""
    now = timezone.now()
    occurrences.count(now)
    account = Account.objects.earliest("pk")
    code = {
        "status": "undelivered", "failure_class": "temporary", "fault": "recipient", "verified": True,
        "name": "Subscriber absent", "meaning": "Switched off for longer",
    }  # fmt: skip
    admin = User.objects.get(username="admin")
    drafts.edit(Key("sandbox", "sms", "error", "absent"), code, admin)
    published = drafts.open_draft()
    assert published
    drafts.publish(published, note="Carriers keep trying", by=admin, now=now)
    drafts.edit(Key("sandbox", "sms", "error", "landline"), {**code, "meaning": "Rings elsewhere"}, admin)
    draft = drafts.open_draft()
    assert draft
    moves = [["BOUNCED_HARD", "PENDING_RETRY", 390], ["UNKNOWN", "PENDING_RETRY", 22]]
    MappingVersion.objects.filter(pk=draft.pk).update(
        preview={"messages": 412, "moves": moves, "crossing": 57, "lifting": 4}, previewed_at=now
    )
    SeenCode.objects.get_or_create(
        account_id=account.pk, channel="sms", native_status="undelivered", native_code="LK-207",
        defaults={
            "known": False, "contradicts": False, "n": 3, "first_seen_at": now, "last_seen_at": now,
            "receipt_id": newest(Receipt),
        },
    )  # fmt: skip
    CodeAlarm.objects.get_or_create(
        kind="unknown", account_id=account.pk, channel="sms", code="LK-207", closed_at=None,
        defaults={"sentence": "What is LK-207?"},
    )  # fmt: skip
    CodeDay.objects.update_or_create(
        account_id=account.pk, channel="sms", code="ABSENT", day=now.date(),
        defaults={"n": 90, "followed": 90, "then_delivered": 61},
    )  # fmt: skip
    RouteEvidence.objects.create(
        channel="sms", country="US", carrier="Carrier A", note="Told by the aggregator"
    )
    Backscatter.objects.create(
        account_id=account.pk,
        address="somebody@example.net",
        at=now,
        text=f"A virus in mail with our name, see https://mail.example/{'a-long-way-' * 9}down",
    )
    return address.format(version=published.pk, receipt=newest(Receipt))


def arrivals_of_a_route() -> str:
    """The page of the messages that the latency of one route counts."""
    message = Message.objects.filter(delivered_at__isnull=False, handed_over_at__isnull=False).latest("pk")
    now = timezone.now()
    Message.objects.filter(pk=message.pk).update(
        handed_over_at=now - timedelta(seconds=41), delivered_at=now, updated_at=now
    )
    country = message.region.partition("-")[0]
    given = {"account_id": message.account_id, "channel": message.channel, "country": country}
    return f"/routes/arrivals/?{urlencode(given | {'carrier': message.carrier})}"


def route_work(address: str) -> str:
    """`address`, once there is something to see there: lists, a slow route, what was moved, and accounts that rest."""
    now = timezone.now()
    first = Account.objects.earliest("pk")
    second, third = (
        Account.objects.create(name=name, provider="sandbox", channels=["sms"], credentials=first.credentials)
        for name in ("Second carrier", "A third one with a name that is rather long")
    )
    for position, account in enumerate((first, second, third), 1):
        Route.objects.create(channel="sms", position=position, account=account)
        Route.objects.create(
            channel="sms", country="US", priority="urgent", position=position, account=account
        )
    took = Latencies(now)
    for account, seconds, carrier in (
        (first, 41, "Carrier A"),
        (first, 6, "Carrier B"),
        (second, 4, "Carrier A"),
    ):
        for _ in range(40):
            took.add(account.pk, "sms", "US-TX", carrier, now - timedelta(seconds=seconds), now)
    took.add(third.pk, "sms", "GB", "", now - timedelta(seconds=300), now)
    took.save()
    route_moves.run(now)
    Account.objects.filter(pk=third.pk).update(paused_until=now + timedelta(hours=1))
    failover.watch(now, [])
    return address


def import_work(address: str) -> str:
    """`address`, once a dirty file was uploaded twice: one is a draft that was decided about, the other is imported."""
    now = timezone.now()
    marketer = User.objects.get(username="marketer")
    text = (
        "Name,Phone,A column with a title that is rather long,SMS consent,Notes\n"
        "Robin Lee,(512) 555-0142,Something long to be kept as a merge field of this person,yes,\n"
        "Kim Day,555,,perhaps,\nAlex Roe,512 555 0143,,perhaps,do not call\n"
    )
    uses = ["name", "phone", "field", "agreed:sms", "field"]
    options = ImportOptions(
        uses=uses, region="US", list_name="Spring fair", how="Web form", when="2026-01-02", wording="Text me."
    )
    for _ in range(2):
        name = "people of the spring fair.csv"
        one = store_upload(io.BytesIO(text.encode()), name=name, by=marketer, now=now)
        one.options = options.as_json()
        one.preview = check(one, now)
        one.save()
    done = ContactImport.objects.get(pk=one.pk - 1)
    import_runs.start(done, now)
    import_runs.run(now)
    return address.format(done=done.pk, draft=one.pk)


def alert_work() -> int:
    """Two open alerts, one of them taken and noted; the number of that one."""
    now, admin = timezone.now(), User.objects.get(username="admin")
    campaign = Campaign.objects.get(slug=REPORT)
    seen = {"seen_at": now, "last_seen_at": now, "raised_at": now}
    Alert.objects.get_or_create(
        cause="route:browser", closed_at=None, kind="route", severity="warning", url="/routes/",
        sentence="Acme refuses SMS: 20003 Authenticate.", defaults=seen,
    )  # fmt: skip
    made, _ = Alert.objects.get_or_create(
        cause="rate_poor:browser", closed_at=None, kind="rate_poor", severity="urgent", campaign=campaign,
        url=campaign.get_absolute_url(), sentence=f"{campaign.name}: 85.2% of 12,585 messages were delivered.",
        defaults={**seen, "owner": admin, "note": "Asked the agency for the list.", "noted_by": admin,
                  "numbers": [["Can't be delivered", 412, f"{campaign.get_absolute_url()}?status=permanent"]]},
    )  # fmt: skip
    return made.pk


def with_alerts(address: str) -> str:
    """`address`, once something is wrong."""
    return address.format(alert=alert_work())


def receivers_work(address: str) -> str:
    """`address`, once an account is silent, was silent before, and has dead letters."""
    now, account = timezone.now(), Account.objects.earliest("pk")
    figures = {"noticed_at": now, "per_hour": 220, "handed_over": 180}
    for ended in (now - timedelta(days=2), None):
        began = (ended or now) - timedelta(minutes=45)
        ReceiptGap.objects.get_or_create(
            account=account, ended_at=ended, defaults={"began_at": began, **figures}
        )
    for n in range(3):
        receipt = Receipt.objects.create(account_id=account.pk, kind="status", received_at=now, body=b"{}")
        PendingReceipt.objects.create(
            receipt=receipt, state="dead", attempts=9, reason=f"No message {n % 2} of this id."
        )
    return address


def a_bounce() -> Suppression:
    """One that staff may release."""
    return Suppression.objects.filter(origin="rule", released_at=None).exclude(value="").earliest("pk")


def mistaken(address: str) -> str:
    """`address`, once an automatic suppression looks mistaken."""
    block, _ = Suppression.objects.get_or_create(
        value="+12125550198", channel="sms", reason="hard_fails", origin="rule", fact="test mistake"
    )
    message = Message.objects.filter(disposition="DELIVERED").earliest("pk")
    SuppressionEvidence.objects.get_or_create(
        suppression=block, message=message, status="undelivered", certainty="number"
    )
    return address


# name: (user name, URL once the world is there)
PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "overview": ("marketer", lambda: "/"),
    "overview all": ("marketer", lambda: "/?days=90&show=all"),
    "deliverability": ("marketer", lambda: "/deliverability/?days=90"),
    "saved views": ("marketer", lambda: made_ready.saved_views("/views/?from=/queues/retry/")),
    "saved views none": ("support", lambda: "/views/"),
    "saved view new": ("marketer", lambda: "/views/new/?from=/queues/retry/%3Fchannel%3Dsms"),
    "saved view": ("marketer", lambda: made_ready.saved_views("/views/{pk}/")),
    "alerts": ("marketer", lambda: with_alerts("/alerts/")),
    "alerts none": ("support", lambda: "/alerts/snoozed/"),
    "alert": ("marketer", lambda: with_alerts("/alerts/{alert}/")),
    "alert notices": ("admin", lambda: "/alerts/notices/"),
    "alert channel": ("admin", lambda: "/alerts/channels/new/"),
    "alert thresholds": ("admin", lambda: "/alerts/thresholds/"),
    "messages of days": ("marketer", lambda: "/messages/?days=90&status=permanent"),
    "receivers": ("admin", lambda: receivers_work("/receivers/")),
    "dead letters": ("admin", lambda: receivers_work("/receivers/letters/")),
    "dead letters none": ("admin", lambda: "/receivers/letters/?state=parked"),
    "campaigns": ("marketer", lambda: "/campaigns/"),
    "report": ("marketer", lambda: f"/campaigns/{REPORT}/"),
    "report live": ("marketer", lambda: f"/campaigns/{LIVE}/"),
    "report filtered": ("marketer", lambda: f"/campaigns/{REPORT}/?status=permanent&channel=sms"),
    "report empty": ("marketer", lambda: f"/campaigns/{REPORT}/?carrier=Nobody"),
    "draft": ("support", lambda: f"/campaigns/{DRAFT}/"),
    "campaign new": ("marketer", lambda: "/campaigns/new/"),
    "composer": ("marketer", lambda: f"/campaigns/{DRAFT}/edit/"),
    "composer empty": ("admin", lambda: made_ready.empty_draft()),
    "composer whole": ("marketer", lambda: made_ready.whole_draft()),
    "composer follow-up": ("marketer", lambda: made_ready.follow_up()),
    "follow-up": ("marketer", lambda: f"/campaigns/{REPORT}/follow-up/"),
    "causes": ("marketer", lambda: made_ready.counted(f"/campaigns/{REPORT}/causes/")),
    "compare": ("marketer", lambda: made_ready.counted(f"/campaigns/{REPORT}/compare/?by=source")),
    "compare two": ("marketer", lambda: made_ready.counted(f"/campaigns/{REPORT}/compare/?with={LIVE}")),
    "compare all": ("marketer", lambda: made_ready.counted("/compare/?by=channel")),
    "report engaged": ("marketer", lambda: made_ready.followed()),
    "report stopped": ("marketer", lambda: made_ready.stopped()),
    "report first slice": ("marketer", lambda: made_ready.first_slice()),
    "report unguarded": ("admin", lambda: made_ready.unguarded()),
    "breaker": ("admin", lambda: f"/campaigns/{LIVE}/breaker/"),
    "wordings": ("marketer", lambda: made_ready.two_wordings()),
    "playbooks": ("admin", lambda: "/playbooks/"),
    "playbook": ("admin", lambda: made_ready.changed_playbook()),
    "playbook to read": ("marketer", lambda: made_ready.changed_playbook()),
    "playbook new": ("admin", lambda: "/playbooks/new/"),
    "override": ("admin", lambda: made_ready.held_draft()),
    "draft delete": ("marketer", lambda: f"/campaigns/{DRAFT}/delete/"),
    "skipped": ("marketer", lambda: f"/campaigns/{REPORT}/?person=skipped"),
    "people not reached": ("marketer", lambda: f"/campaigns/{REPORT}/?person=failed"),
    "draft skipped": ("marketer", lambda: f"/campaigns/{DRAFT}/skipped/"),
    "queues": ("marketer", lambda: "/queues/"),
    "queue": ("marketer", lambda: "/queues/correct/"),
    "snooze": ("marketer", lambda: f"/queues/correct/?snooze={first_in('correct')}"),
    "queue empty": (
        "marketer",
        lambda: f"/queues/{next(q for q in ('review', 'switch', 'suppress') if not queue_counts().get(q))}/",
    ),
    "message": ("support", lambda: f"/deliveries/{failed_message()}/"),
    "batches": ("marketer", lambda: "/batches/"),
    "batch": ("marketer", lambda: f"/batches/{newest(Batch)}/"),
    "search": ("support", lambda: "/contacts/"),
    "search found": ("support", lambda: "/contacts/?q=555"),
    "search nobody": ("support", lambda: "/contacts/?q=nobody-at-all"),
    "contacts narrowed": ("marketer", lambda: "/contacts/?consent=sms-in&result=permanent"),
    "contacts nobody": ("marketer", lambda: "/contacts/?consent=email-out&result=compliance"),
    "contact new": ("marketer", lambda: "/contacts/new/"),
    "lists": ("marketer", lambda: counted_lists("/contacts/lists/")),
    "list": ("marketer", lambda: counted_lists(f"/contacts/lists/{newest(ContactList)}/")),
    "list empty": ("marketer", lambda: f"/contacts/lists/{made_list('Nobody yet').pk}/"),
    "sources": ("marketer", lambda: counted_sources("/contacts/sources/")),
    "sources none": ("support", lambda: "/contacts/sources/"),
    "sources by import": ("marketer", lambda: counted_sources(import_work("/contacts/sources/imports/"))),
    "list new": ("marketer", lambda: "/contacts/lists/new/"),
    "list ask": ("marketer", lambda: asking_list("/contacts/lists/{}/ask/")),
    "list that asks": ("marketer", lambda: asking_list("/contacts/lists/{}/")),
    "list confirmation": ("marketer", lambda: f"/contacts/lists/{newest(ContactList)}/confirmation/"),
    "list rename": ("marketer", lambda: f"/contacts/lists/{newest(ContactList)}/rename/"),
    "segments": ("marketer", lambda: made_ready.segments("/contacts/segments/")),
    "segments none": ("support", lambda: "/contacts/segments/"),
    "segment": ("marketer", lambda: made_ready.segments("/contacts/segments/{pk}/")),
    "segment new": ("marketer", lambda: "/contacts/segments/new/"),
    "permitted hours": ("support", lambda: "/contacts/permitted-hours/"),
    "lookups": ("admin", lambda: looked_up("/contacts/lookups/")),
    "lookups cost": (
        "admin",
        lambda: looked_up(f"/contacts/lookups/?contact_list={newest(ContactList)}&months=3"),
    ),
    "access": ("admin", lambda: "/contacts/access/"),
    "kept": ("admin", lambda: "/contacts/kept/"),
    "access none": ("admin", lambda: "/contacts/access/?kind=exported&until=2001-01-01"),
    "duplicates": ("support", lambda: twice("/contacts/duplicates/")),
    "duplicates none": ("support", lambda: "/contacts/duplicates/"),
    "duplicates of": ("support", lambda: twice("/contacts/{one}/duplicates/")),
    "merge": ("support", lambda: twice("/contacts/merge/?keep={one}&gone={other}")),
    "privacy": ("admin", lambda: f"/contacts/{busiest_contact().pk}/privacy/"),
    "erased": ("admin", lambda: erased("/contacts/{one}/")),
    "erased privacy": ("admin", lambda: erased("/contacts/{one}/privacy/")),
    "inbox": ("support", lambda: with_replies("/inbox/")),
    "inbox all": ("support", lambda: with_replies("/inbox/all/")),
    "inbox all none": ("marketer", lambda: "/inbox/all/?reading=help&channel=sms"),
    "inbox to do": ("support", lambda: with_work("/inbox/to-do/")),
    "inbox answer": ("support", lambda: f"/inbox/{plain_reply()}/answer/"),
    "inbox answer later": ("marketer", lambda: f"/inbox/{replies_written()[0]}/answer/"),
    "inbox keywords": ("admin", lambda: with_changed_words("/inbox/keywords/?language=de")),
    "inbox keywords plain": ("support", lambda: "/inbox/keywords/"),
    "inbox opted out": ("support", lambda: with_replies("/inbox/opted-out/")),
    "inbox read": ("support", lambda: with_read_replies("/inbox/read/")),
    "inbox contacts": ("support", lambda: f"/inbox/{replies_written()[0]}/contacts/"),
    "inbox empty": ("marketer", lambda: "/inbox/read/"),
    "trail": ("support", lambda: f"/contacts/{busiest_contact().pk}/"),
    "correct": ("support", lambda: f"/contacts/{busiest_contact().pk}/correct/"),
    "suppress": ("support", lambda: f"/contacts/{busiest_contact().pk}/suppress/"),
    "release": ("admin", lambda: release_of(busiest_contact())),
    "imports": ("marketer", lambda: import_work("/contacts/import/")),
    "import columns": ("marketer", lambda: import_work("/contacts/import/{draft}/columns/")),
    "import preview": ("marketer", lambda: import_work("/contacts/import/{draft}/preview/")),
    "import result": ("marketer", lambda: import_work("/contacts/import/{done}/")),
    "not allowed": ("support", lambda: "/batches/"),
    "not found": ("support", lambda: "/contacts/999999999/"),
    "suppression list": ("admin", lambda: "/suppressions/"),
    "suppression list none": ("support", lambda: "/suppressions/?s=%2B12125550100&state=expired"),
    "suppression look-up": ("support", lambda: "/suppressions/lookup/"),
    "suppression detail": ("support", lambda: f"/suppressions/{a_bounce().pk}/"),
    "suppression add": ("support", lambda: "/suppressions/add/"),
    "suppression upload": ("admin", lambda: "/suppressions/upload/"),
    "automatic suppression": ("admin", lambda: "/suppressions/automatic/"),
    "automatic suppression, one kind": ("admin", lambda: "/suppressions/automatic/number/"),
    "automatic suppression, one code": ("admin", lambda: "/suppressions/automatic/code/"),
    "automatic suppression, asking people": ("admin", lambda: "/suppressions/automatic/ask/"),
    "suppressed by mistake": ("marketer", lambda: mistaken("/suppressions/mistakes/")),
    "suppressed by mistake none": ("support", lambda: "/suppressions/mistakes/"),
    "suppressions by week": ("support", lambda: "/suppressions/trend/"),
    "suppression release": ("admin", lambda: f"/suppressions/{a_bounce().pk}/release/"),
    "senders": ("admin", lambda: "/senders/"),
    "a sender": ("marketer", lambda: f"/senders/{made_ready.unregistered_sender()}/"),
    "a sender of mail": ("admin", lambda: f"/senders/{made_ready.sender_with_dns()}/"),
    "a registration": (
        "admin",
        lambda: f"/senders/{made_ready.unregistered_sender()}/registration/?kind=carrier&country=US",
    ),
    "sender new": ("admin", lambda: "/senders/new/"),
    "sender new of a kind": ("admin", lambda: "/senders/new/?kind=short_code"),
    "sender settings": ("admin", lambda: f"/senders/{made_ready.unregistered_sender()}/settings/"),
    "sender state": ("admin", lambda: f"/senders/{made_ready.unregistered_sender()}/state/"),
    "brands": ("admin", lambda: made_ready.brands("/senders/brands/")),
    "brand": ("admin", lambda: made_ready.brands("/senders/brands/{pk}/")),
    "brand new": ("admin", lambda: "/senders/brands/new/"),
    "receiving": ("admin", lambda: "/senders/receiving/"),
    "sending routes": ("admin", lambda: route_work("/routes/")),
    "sending routes arrivals": ("admin", lambda: arrivals_of_a_route()),
    "sending routes quiet": ("support", lambda: "/routes/"),
    "mappings": ("admin", lambda: mapping_work("/mappings/")),
    "mappings quiet": ("admin", lambda: "/mappings/"),
    "codes": ("admin", lambda: mapping_work("/mappings/codes/?table=sandbox&channel=sms")),
    "codes none": ("admin", lambda: "/mappings/codes/?s=no-such-code"),
    "code": (
        "admin",
        lambda: mapping_work("/mappings/codes/edit/?table=sandbox&channel=sms&kind=error&code=absent"),
    ),
    "code new": ("admin", lambda: "/mappings/codes/edit/"),
    "mapping draft": ("admin", lambda: mapping_work("/mappings/draft/")),
    "mapping draft none": ("admin", lambda: "/mappings/draft/"),
    "mapping version": ("admin", lambda: mapping_work("/mappings/versions/{version}/")),
    "mapping undo": ("admin", lambda: mapping_work("/mappings/versions/{version}/undo/")),
    "try": ("admin", lambda: "/mappings/try/"),
    "tried": ("admin", lambda: mapping_work("/mappings/try/?receipt={receipt}")),
    "routes": ("admin", lambda: mapping_work("/mappings/routes/")),
    "backscatter": ("admin", lambda: mapping_work("/mappings/backscatter/")),
    "login": ("", lambda: "/admin/login/"),
    "admin": ("admin", lambda: "/admin/"),
    "suppressions": ("admin", lambda: reverse("admin:contacts_suppression_changelist")),
    "suppression": (
        "admin",
        lambda: reverse("admin:contacts_suppression_change", args=[newest(Suppression)]),
    ),
    "suppression form": ("admin", lambda: reverse("admin:contacts_suppression_add")),
    "campaign form": ("admin", lambda: reverse("admin:campaigns_campaign_change", args=[newest(Campaign)])),
    "account form": ("admin", lambda: reverse("admin:deliveries_account_change", args=[newest(Account)])),
    "history": ("admin", lambda: reverse("admin:campaigns_campaign_history", args=[newest(Campaign)])),
    "delete": (
        "admin",
        lambda: reverse("admin:contacts_listmembership_delete", args=[newest(ListMembership)]),
    ),
    "password": ("marketer", lambda: reverse("admin:password_change")),
}
