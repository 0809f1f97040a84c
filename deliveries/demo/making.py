"""The demo: a clinic group's ninety days, made by the ordinary code under a simulated clock.

Everything comes out of the seed: the same seed gives the same people, campaigns and outcomes. Names are made up,
phone numbers are from the range kept for fiction, email addresses are at example.com.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count
from faker import Faker

from accounts.models import User
from accounts.roles import ADMINISTRATOR, MARKETER, SUPPORT
from campaigns import registering
from campaigns.models import Brand, Campaign, Content, Goal, Playbook, Priority, Registration, Sender
from contacts.channels import Channel
from contacts.importing import import_contacts
from contacts.jurisdictions import Purpose
from contacts.models import Address, ContactList
from deliveries.demo.clicking import people_click
from deliveries.demo.simulation import Simulation
from deliveries.ledger.statements import rewrite
from deliveries.models import Account, Message
from deliveries.providers.sandbox.attempt import inbound_address
from deliveries.providers.sandbox.network import Network
from deliveries.sending.composing import callback
from deliveries.sending.launching import launch
from deliveries.statuses import Disposition

# (user name, password, role, first name, last name)
PEOPLE = [
    ("marketer", "waybill-marketer", MARKETER, "Dana", "Okafor"),
    ("admin", "waybill-admin", ADMINISTRATOR, "Robin", "Castillo"),
    ("support", "waybill-support", SUPPORT, "Sam", "Lindqvist"),
]
LOGINS = [(name, password) for name, password, *_ in PEOPLE]

DAYS = 90
# Area codes over the four mainland zones; each has a hundred numbers, 555-0100 to 555-0199, kept for fiction.
AREA_CODES = [
    212, 646, 617, 215, 404, 305, 704, 919, 313, 216, 412, 202, 410, 803, 401, 207, 518, 585, 716, 804,
    312, 773, 214, 512, 713, 210, 615, 901, 504, 414, 612, 816, 314, 405, 502, 205, 601, 402, 515, 608,
    303, 720, 801, 505, 602, 480, 406, 307, 213, 310, 415, 510, 619, 916, 503, 206, 253, 702, 509, 541,
]  # fmt: skip
PER_CODE = 100


@dataclass(frozen=True)
class ListPlan:
    """A list. `looked_up` says whether its numbers went through a line-type look-up before they came in."""

    name: str
    size: int
    looked_up: bool
    consent: str
    email_share: float


SOURCES = [
    ListPlan("Front desk", 640, True, "sms;voice;rvm;email", 0.9),
    ListPlan("Clinic import Oct", 720, True, "sms;voice;rvm;email", 0.8),
    ListPlan("Web sign-up", 420, True, "sms;email", 1.0),
    ListPlan("Partner list B", 420, False, "sms;voice;rvm", 0.5),
]

REMINDER = "Hello {first_name}, your check-up is due. Call us to book. Reply STOP to opt out."
SALE = "{first_name}, lens week: 20 percent off until Friday at https://example.com/lenses. Reply STOP to opt out."
LINKED = "{first_name}, lens week: 20 percent off: bit.ly/lens-week. Reply STOP to opt out."
LONG = (
    "Hello {first_name}, this is a friendly reminder that your yearly check-up is due. Our clinics are open from "
    "Monday to Saturday, and you can book by phone or at https://example.com/book. Reply STOP to opt out."
)
VOICE = "Hello {first_name}. This is your clinic with a reminder about your check-up."
MAIL = "Hello {first_name},\n\nyour check-up is due. Book at https://example.com/book.\n\nYour clinic"


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign of the demo. `days_ago` counts back from today; `hour` is UTC."""

    name: str
    slug: str
    days_ago: float
    lists: tuple[str, ...]
    channel: str
    body: str
    also: tuple[str, ...] = ("email",)
    goal: str = Goal.EXPOSURE
    priority: str = Priority.NORMAL
    starts_in: int | None = None  # days from today; None: as soon as it is launched
    guarded: bool = False  # by a first slice, and a stop by itself


EVERYBODY = tuple(source.name for source in SOURCES)
OWN = ("Front desk", "Clinic import Oct", "Web sign-up")
PLANS = [
    CampaignPlan("Back to school eye checks", "back-to-school-eye-checks", 88, OWN, Channel.SMS, REMINDER),
    CampaignPlan("September newsletter", "september-newsletter", 80, OWN, Channel.EMAIL, MAIL, ()),
    CampaignPlan(
        "Booking line open on Saturdays", "saturdays", 72, ("Front desk",), Channel.VOICE, VOICE, ("email",),
        Goal.CONVERSATION,
    ),
    CampaignPlan("Lens week", "lens-week", 63, EVERYBODY, Channel.SMS, LINKED),
    CampaignPlan("Recall drop", "recall-drop", 54, ("Clinic import Oct", "Partner list B"), Channel.RVM, VOICE),
    CampaignPlan("October newsletter", "october-newsletter", 45, OWN, Channel.EMAIL, MAIL, ()),
    CampaignPlan(
        "Storm closure notice", "storm-closure", 36, ("Front desk", "Web sign-up"), Channel.SMS, REMINDER,
        ("voice", "email"), priority=Priority.URGENT,
    ),
    CampaignPlan("Flu clinic picture message", "flu-clinic", 27, ("Web sign-up", "Front desk"), Channel.MMS, SALE),
    CampaignPlan("Partner welcome", "partner-welcome", 18, ("Partner list B",), Channel.SMS, REMINDER),
    CampaignPlan("November newsletter", "november-newsletter", 9, OWN, Channel.EMAIL, MAIL, ()),
    CampaignPlan(
        "Lens week, second try", "lens-week-second-try", 2.15, EVERYBODY, Channel.SMS, LINKED, guarded=True,
    ),
    CampaignPlan(
        "Autumn recall reminders", "autumn-recall-reminders", 1.15, ("Clinic import Oct", "Partner list B"),
        Channel.SMS, LONG,
    ),
]  # fmt: skip
LIVE = CampaignPlan(
    "Lens week, last call",
    "lens-week-last-call",
    0,
    ("Front desk",),
    Channel.SMS,
    SALE,
    (Channel.VOICE, Channel.EMAIL),
)
SCHEDULED = CampaignPlan(
    "December newsletter", "december-newsletter", 0.2, OWN, Channel.EMAIL, MAIL, (), starts_in=3
)
DRAFT = CampaignPlan("New year check-ups", "new-year-check-ups", 0, OWN, Channel.SMS, REMINDER)

HOUSEHOLDS = ("Clinic import Oct", 3)  # the list on which so many couples share a number
ANSWERED = "autumn-recall-reminders"
# What people write in answer to that campaign, hours ago: nobody's program can be sure what is meant.
REPLIES = (
    (5.0, "Can I stop by tomorrow?"),
    (3.5, "Quiero cancelar la cita de mi hijo"),
    (2.5, "You have the wrong person"),
)
SHARED_REPLY = (
    (1.5, "Is this for me or my wife? Stop sending both"),
)  # from a number that two contacts share

Progress = Callable[[Iterable, str], Iterable]


def make(seed: int, now: datetime, *, progress: Progress, say: Callable[[str], None]) -> Network:
    """Fill an empty database; returns the network with the callbacks that are still to come.

    `progress` wraps an iterable and shows how far it is; `say` prints a line.
    """
    network = Network(seed, secret="")
    people()
    accounts_and_senders(seed, now - timedelta(days=DAYS))
    say("Importing contacts")
    import_sources(seed, now - timedelta(days=DAYS), progress)
    look_up_numbers(network)
    playbook()
    start = now - timedelta(days=DAYS)
    simulation = Simulation(network, start)
    plans = [(now - timedelta(days=plan.days_ago), plan) for plan in (*PLANS, SCHEDULED)]
    for moment, plan in progress([*plans, (now, None)], "Ninety days of campaigns"):
        simulation.run_until(moment)
        if plan is not None:
            launch(campaign(plan, moment, tracked=plan != SCHEDULED), None, moment)
            simulation.step()
        if plan == SCHEDULED:
            people_write(network, now)
    people_click(seed, now)
    campaign(DRAFT, now)
    launch(campaign(LIVE, now, all_day=True), User.objects.get(username="marketer"), now)
    return network


def people() -> None:
    for username, password, role, first, last in PEOPLE:
        user = User.objects.create_user(
            username, f"{username}@example.com", password, first_name=first, last_name=last, is_staff=True
        )  # fmt: skip
        user.groups.add(Group.objects.get(name=role))


def accounts_and_senders(seed: int, at: datetime) -> None:
    token = f"sandbox-{seed}"
    account = Account.objects.create(
        name="Sandbox", provider="sandbox", token=token, channels=list(Channel.values), rank=10,
        credentials={"secret": f"sandbox-secret-{seed}"},
    )  # fmt: skip
    brand = Brand.objects.default()
    brand.name, brand.domains = "Example Clinic", ["example.com"]
    brand.save(update_fields=["name", "domains"])
    not_needed = Sender.State.NOT_NEEDED
    senders = [
        Sender(name="Clinic texts", channel=Channel.SMS, value="+12125550199", created_at=at),
        Sender(name="Clinic pictures", channel=Channel.MMS, value="+12125550199", created_at=at),
        Sender(
            name="Clinic calls", channel=Channel.VOICE, value="+12125550198", state=not_needed, created_at=at
        ),
        Sender(
            name="Clinic voicemail",
            channel=Channel.RVM,
            value="+12125550197",
            state=not_needed,
            created_at=at,
        ),
        Sender(
            name="Clinic mail",
            channel=Channel.EMAIL,
            value="hello@example.com",
            state=not_needed,
            created_at=at,
        ),
    ]
    for sender in senders:
        sender.brand = brand
    account.senders.set(Sender.objects.bulk_create(senders))
    for sender in senders[:2]:
        register(sender, at)


def register(sender: Sender, at: datetime) -> None:
    """A local number in the USA, as it stands after its registration; the campaign is to be renewed every year."""
    day, kinds = at.date(), Registration.Kind
    for kind, carrier, reference, ends in (
        (kinds.BRAND, "", "BEXAMPL1", None),
        (kinds.CAMPAIGN, "", "CEXAMPL2", day + timedelta(days=365)),
        (kinds.CARRIER, "AT&T", "", None),
        (kinds.CARRIER, "T-Mobile", "", None),
    ):
        values = Registration(
            kind=kind, country="US", carrier=carrier, state=Registration.State.APPROVED, reference=reference,
            submitted_on=day - timedelta(days=21), decided_on=day - timedelta(days=7), expires_on=ends,
        )  # fmt: skip
        registering.change(sender, values, None, at)


def playbook() -> Playbook:
    """The built-in one; a migration made it."""
    return Playbook.objects.earliest("pk")


def import_sources(
    seed: int, at: datetime, progress: Progress, codes: Sequence[int] = AREA_CODES, share: float = 1.0
) -> None:
    """The contacts come in as they would in life: as files, through the importer. `codes`: the area codes of their
    numbers; `share`: so much of each list, 0..1."""
    rows = persons(seed, codes)
    for source in progress(SOURCES, "Lists"):
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(
            ["external_id", "name", "phone", "email", "stage", "value_tier", "consent", "consent_how"]
        )
        couples = HOUSEHOLDS[1] if source.name == HOUSEHOLDS[0] else 0
        for number in range(round(source.size * share)):
            row = next(rows)(source)
            writer.writerow(row)
            if number < couples:
                writer.writerow(partner_of(row))
        import_contacts(
            io.BytesIO(file.getvalue().encode()), contact_list=source.name, region="US", now=at,
        )  # fmt: skip


def partner_of(row: list[Any]) -> list[Any]:
    """Somebody of the same name at the same number, without an email."""
    key, name, number, _, *rest = row
    return [f"{key}-2", f"Alex {name.split()[-1]}", number, "", *rest]


def persons(seed: int, codes: Sequence[int] = AREA_CODES) -> Iterator[Callable[[ListPlan], list[Any]]]:
    """People without end, each with a number of their own."""
    dice = random.Random(seed)  # noqa: S311 - a demo wants the same people every time
    fake = Faker("en_US")
    fake.seed_instance(seed)
    numbers = [f"+1{code}555{n:04d}" for code in codes for n in range(100, 100 + PER_CODE)]
    reserved = {"+12125550197", "+12125550198", "+12125550199"}  # ours
    numbers = [number for number in numbers if number not in reserved]
    dice.shuffle(numbers)
    for n, number in enumerate(numbers):
        name = f"{fake.first_name()} {fake.last_name()}"
        handle = name.lower().replace(" ", ".").replace("'", "")

        def row(
            source: ListPlan, n: int = n, number: str = number, name: str = name, handle: str = handle
        ) -> list:
            mail = f"{handle}{n}@example.com" if dice.random() < source.email_share else ""
            stage = dice.choice(["customer", "customer", "lead", "lapsed"])
            return [
                f"P{n:05d}",
                name,
                number,
                mail,
                stage,
                dice.choice([0, 0, 0, 1, 2]),
                source.consent,
                "Paper form",
            ]

        yield row


def look_up_numbers(network: Network) -> None:
    """What a number look-up service would tell: the carrier of every number, the line type where it was asked."""
    asked = {source.name for source in SOURCES if source.looked_up}
    changed = []
    for address in Address.objects.select_related("contact__source"):
        address.carrier = network.carrier_of(address.value)
        if address.kind == "phone" and address.contact.source and address.contact.source.name in asked:
            address.line_type = network.line_type_of(address.value)
        address.validity = Address.Validity.VALID
        changed.append(address)
    rewrite(changed, ["carrier", "line_type", "validity"])


def people_write(network: Network, now: datetime) -> None:
    """Some answer a campaign in words of their own, by the carriers, in the hours before `now`."""
    account = Account.objects.get(provider="sandbox")
    arrived = Message.objects.filter(
        campaign__slug=ANSWERED, channel=Channel.SMS, disposition=Disposition.DELIVERED
    )
    shared = Address.objects.values("value").annotate(n=Count("pk")).filter(kind="phone", n__gt=1)
    ours = shared.values("value")
    alone = arrived.exclude(address__value__in=ours).select_related("address", "sender").order_by("pk")
    both = arrived.filter(address__value__in=ours).select_related("address", "sender").order_by("pk")
    writers = [*zip(alone, REPLIES, strict=False), *zip(both, SHARED_REPLY, strict=False)]
    for answered, (hours_ago, text) in writers:
        network.write(
            answered.channel,
            answered.address.value,
            answered.sender.value,
            text,
            inbound_address(callback(account, str(answered.uuid), answered.channel)),
            now - timedelta(hours=hours_ago),
            secret=account.credentials["secret"],
        )


# Marketing would wait for the hours that the law permits.
ALL_DAY = {"window_start": time(0), "window_end": time(23, 59, 59), "purpose": Purpose.SERVICE}


def campaign(plan: CampaignPlan, at: datetime, *, all_day: bool = False, tracked: bool = False) -> Campaign:
    """The draft of a planned campaign, with its content. `all_day` so that the live one sends whenever it is tried;
    `tracked`: clicks are counted, also where nobody outside could open our links."""
    starts = None
    if plan.starts_in is not None:
        starts = (at + timedelta(days=plan.starts_in)).replace(minute=0, second=0, microsecond=0)
    made = Campaign.objects.create(
        name=plan.name,
        slug=plan.slug,
        goal=plan.goal,
        priority=plan.priority,
        channel=plan.channel,
        playbook=playbook(),
        created_at=at,
        created_by=User.objects.get(username="marketer"),
        starts_at=starts,
        # What most of them tell of has happened, the bad with the good, and nobody stood by to send it on.
        canary_percent=5 if plan.guarded else 0,
        breaker=plan.guarded,
        track_links=tracked,
        **(ALL_DAY if all_day else {}),
    )
    made.lists.set(ContactList.objects.filter(name__in=plan.lists))
    for channel in (plan.channel, *plan.also):
        body = plan.body if channel == plan.channel else MAIL if channel == Channel.EMAIL else VOICE
        Content.objects.create(
            campaign=made,
            channel=channel,
            sender=Sender.objects.get(channel=channel),
            subject="A word from your clinic" if channel == Channel.EMAIL else "",
            body=body,
            media_url="https://example.com/flu-clinic.jpg" if channel == Channel.MMS else "",
        )
    return made
