"""Whom a campaign means: each condition, on both databases, and everything that is built upon it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.conditions import KINDS, Conditions
from campaigns.models import Campaign, Recipient
from contacts import drawing
from contacts.channels import Channel
from contacts.models import Contact, ContactImport, Suppression
from deliveries.deciding.held_back import held_back
from deliveries.deciding.staff import run_next_step_now
from deliveries.ledger import base_rates
from deliveries.models import Bookmark, Decision, Engagement
from deliveries.outcomes.chance_sql import chances
from deliveries.sending import meant
from deliveries.sending.audience import forecast, left_out
from deliveries.sending.dispatch import dispatch
from deliveries.sending.draft import load
from deliveries.sending.expansion import expand
from deliveries.sending.launching import pause, resume
from deliveries.sending.who_sql import SQL, Who
from tests import factories
from tests.deliveries.sending.test_expansion import expand_wholly, launching, member, reasons, verdicts
from tests.engine import Fake, agree, consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return factories.contact_list()


def meant_by(now, *narrowed, lists=(), everybody=False, key=0) -> set[int]:
    found = Conditions.read({"all": list(narrowed), "everybody": everybody})
    who = Who(tuple(one.pk for one in lists), found, key)
    size = meant.size_of(who, now)
    sql = set(_ids(who, now))
    assert (size.n, size.about) == (len(sql), False)
    return sql


def _ids(who, now):
    sql, values = meant.sql_who(who, now)
    with connection.cursor() as cursor:
        cursor.execute(sql, {**values, "low": 0, "high": meant.LAST})
        return [pk for (pk,) in cursor.fetchall()]


def test_every_kind_of_condition_has_its_statement():
    assert list(SQL) == list(KINDS)


def recipient(contact, *, days=None, by="sms", campaign=None, now=None):
    made = factories.recipient(campaign, contact)
    if days is not None:
        at = now - timedelta(days=days)
        Recipient.objects.filter(pk=made.pk).update(state="reached", reached_at=at, reached_by=by)
    return made


def engaged(contact, now, days=1, **fields):
    fields = {"kind": "reply", "channel": "sms", "at": now - timedelta(days=days)} | fields
    return Engagement.objects.create(contact=contact, **fields)


# What is done to one of two people, and the condition that then holds of that one alone.
CASES = {
    "stage": (lambda c, now: Contact.objects.filter(pk=c.pk).update(stage="lapsed"),
              {"is": "stage", "stages": ["lapsed", "lead"]}),
    "tier": (lambda c, now: Contact.objects.filter(pk=c.pk).update(value_tier=3), {"is": "tier", "tier": 3}),
    "tag": (lambda c, now: tag(c, "old, ViP;new"), {"is": "field", "field": "tags", "words": ["vip"]}),
    "tag with a blank": (lambda c, now: tag(c, "new , big spender"), {
        "is": "field", "field": "tags", "words": ["Big Spender"]}),
    "field of another alphabet": (lambda c, now: tag(c, "Köln"), {"is": "field", "field": "tags", "words": ["köln"]}),
    "number": (lambda c, now: tag(c, 7), {"is": "field", "field": "tags", "words": ["7"]}),
    "state": (lambda c, now: factories.phone(c, region="US-TX"), {"is": "region", "regions": ["us-tx"]}),
    "country": (lambda c, now: factories.phone(c, region="US-TX"), {"is": "region", "regions": ["DE", "US"]}),
    "reached": (lambda c, now: recipient(c, days=80, now=now), {"is": "reached", "any_channel": "sms", "days": 90}),
    "reached by any": (lambda c, now: recipient(c, days=80, by="email", now=now),
                       {"is": "reached", "any_channel": "", "days": 81}),
    "reached ever": (lambda c, now: recipient(c, days=900, now=now), {"is": "never", "not": True}),
    "reply": (lambda c, now: engaged(c, now), {"is": "engaged", "days": 2}),
    "consent": (lambda c, now: consent(c, "sms", at=now), {"is": "consent", "channel": "sms"}),
    "import": (lambda c, now: brought(c, 1), None),
    "source": (lambda c, now: brought(c, 2), None),
}  # fmt: skip
# What holds of neither.
OTHERWISE = {
    "tag within another": (lambda c, now: tag(c, "nonvip"), {"is": "field", "field": "tags", "words": ["vip"]}),
    "no wildcard": (lambda c, now: tag(c, "vip"), {"is": "field", "field": "tags", "words": ["v_p"]}),
    "another field": (lambda c, now: tag(c, "vip", "city"), {"is": "field", "field": "tags", "words": ["vip"]}),
    "another state": (lambda c, now: factories.phone(c, region="US-TX"), {"is": "region", "regions": ["US-TN"]}),
    "an old address": (lambda c, now: factories.phone(c, region="US-TX", preferred=False),
                       {"is": "region", "regions": ["US"]}),
    "too long ago": (lambda c, now: recipient(c, days=91, now=now), {"is": "reached", "any_channel": "", "days": 90}),
    "by email": (lambda c, now: recipient(c, days=3, by="email", now=now),
                 {"is": "reached", "any_channel": "sms", "days": 9}),
    "a machine": (lambda c, now: engaged(c, now, machine=True), {"is": "engaged", "days": 2}),
    "a shared address": (lambda c, now: engaged(c, now, shared=True), {"is": "engaged", "days": 2}),
    "an opening": (lambda c, now: engaged(c, now, kind="open"), {"is": "engaged", "days": 2}),
    "a no": (lambda c, now: consent(c, "sms", at=now, opted_in=False), {"is": "consent", "channel": "sms"}),
}  # fmt: skip


def tag(contact, text, name="tags"):
    Contact.objects.filter(pk=contact.pk).update(attributes={name: text, "x": 1})


def brought(contact, by):
    made = ContactImport.objects.create(file_name="fair.csv", file_hash="x", state="done")
    web = factories.contact_list()
    Contact.objects.filter(pk=contact.pk).update(**({"first_import": made} if by == 1 else {"source": web}))
    return {"is": "import", "imports": [made.pk]} if by == 1 else {"is": "source", "lists": [web.pk]}


@pytest.mark.parametrize("name", CASES)
def test_a_condition_holds_of_whom_it_says_and_its_contrary_of_the_rest(people, now, name):
    one, other = factories.contact(lists=[people]), factories.contact(lists=[people])
    does, condition = CASES[name]

    condition = does(one, now) if condition is None else (does(one, now) and condition) or condition

    assert meant_by(now, condition, lists=[people]) == {one.pk}
    contrary = {**condition, "not": not condition.get("not", False)}
    assert meant_by(now, contrary, lists=[people]) == {other.pk}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_condition_does_not_hold_of_what_is_only_like_it(people, now, name):
    one = factories.contact(lists=[people])
    does, condition = OTHERWISE[name]

    does(one, now)

    assert meant_by(now, condition, lists=[people]) == set()


def test_the_outcome_of_a_campaign_is_one_of_three(people, now):
    sent = factories.campaign(lists=[people])
    got, missed, never = (factories.contact(lists=[people]) for _ in range(3))
    recipient(got, days=1, campaign=sent, now=now)
    recipient(missed, campaign=sent)
    recipient(never, days=1, now=now)

    found = {
        outcome: meant_by(now, {"is": "campaign", "campaign": sent.pk, "outcome": outcome}, lists=[people])
        for outcome in ("reached", "not_reached", "not_in")
    }

    assert found == {"reached": {got.pk}, "not_reached": {missed.pk}, "not_in": {never.pk}}


def test_all_conditions_hold_and_lists_are_any_of_them(people, now):
    web = factories.contact_list()
    both, first, second = (factories.contact(lists=those) for those in ([people, web], [people], [web]))
    factories.contact()
    for one in (both, second):
        tag(one, "vip")

    vip = {"is": "field", "field": "tags", "words": ["vip"]}
    assert meant_by(now, lists=[people, web]) == {both.pk, first.pk, second.pk}
    assert meant_by(now, vip, lists=[people, web]) == {both.pk, second.pk}
    assert meant_by(now, vip, {"is": "on", "lists": [people.pk]}, lists=[web]) == {both.pk}


def test_everybody_is_all_but_who_is_merged_or_erased(now):
    one, vip, gone, erased = (factories.contact() for _ in range(4))
    Contact.objects.filter(pk=gone.pk).update(merged_into=one)
    Contact.objects.filter(pk=erased.pk).update(erased_at=now)
    tag(vip, "vip")

    assert meant_by(now, everybody=True) == {one.pk, vip.pk}
    assert meant_by(now, {"is": "field", "field": "tags", "words": ["vip"]}, everybody=True) == {vip.pk}


def test_how_likely_somebody_is_reached_is_what_their_page_says(people, now):
    draw = random.Random("likely")
    contacts = [factories.contact(lists=[people], source=draw.choice([people, None])) for _ in range(40)]
    addresses = [factories.phone(one, carrier=draw.choice(["A", "B"])) for one in contacts[5:]]
    for address in addresses:
        for _ in range(draw.randrange(4)):
            factories.message(
                factories.recipient(contact=address.contact), address=address,
                created_at=now - timedelta(days=draw.randrange(400)),
                **draw.choice([{"status": "delivered"}, {"status": "undelivered", "failure_class": "temporary",
                               "fault": "recipient"}, {"status": "delivered", "evidence": "assumed"}]),
            )  # fmt: skip
    shares = {"sms": {"A": base_rates.ArrivalShare(90, 100), "B": base_rates.ArrivalShare(40, 100)}}
    by_list = {"sms": {people.pk: base_rates.ArrivalShare(30, 90), 0: base_rates.ArrivalShare(80, 90)}}
    Bookmark.objects.create(
        name=base_rates.NAME, at=now, detail=base_rates._detail(shares, by_list, {"sms": 4.0})
    )
    known = chances({one.contact_id: (one.contact, one, "sms") for one in addresses}, now)

    found = meant_by(now, {"is": "likely", "channel": "sms", "percent": 60}, lists=[people])

    assert found == {pk for pk, one in known.items() if one.at_least >= 0.6}
    assert 5 < len(found) < 35


def test_a_share_is_drawn_alike_in_both_and_anew_for_each_campaign(people, now):
    contacts = Contact.objects.bulk_create(Contact() for _ in range(2_000))
    everybody = {
        pk: [drawing.place(pk, key, drawing.SAMPLE) for key in (1, 2)] for pk in (c.pk for c in contacts)
    }

    for key in (1, 2):
        found = meant_by(now, {"is": "sample", "share": 25}, everybody=True, key=key)
        assert found == {pk for pk, places in everybody.items() if places[key - 1] < 25}
        assert 420 < len(found) < 580
    both = sum(one < 25 and other < 25 for one, other in everybody.values())
    assert 80 < both < 170  # by chance a sixteenth


@pytest.mark.parametrize("narrowed", [[], [{"is": "tier", "tier": 1}]])
def test_a_large_audience_is_reckoned_from_people_all_over(people, now, monkeypatch, narrowed):
    monkeypatch.setattr(meant, "ASKED", 500)
    for part in range(4):
        made = Contact.objects.bulk_create(Contact(value_tier=part % 2) for _ in range(500))
        people.memberships.bulk_create(
            people.memberships.model(contact_list=people, contact=one) for one in made
        )
    who = Who((people.pk,), Conditions.read({"all": narrowed}))

    size = meant.size_of(who, now)

    assert size.about == bool(narrowed)
    assert size.n == 2_000 if not narrowed else 800 < size.n < 1_200


# ---- What is built upon it ---------------------------------------------------------------------------------------


@pytest.fixture
def crowd(people, now):
    """(campaign, the excluded list): sixty people, a third of whom cannot be written to, and a third excluded."""
    factories.account()
    barred = factories.contact_list()
    for n in range(60):
        address = member(people, now, agreed=n % 3 > 0)
        tag(address.contact, "vip" if n < 48 else "")
        if n % 4 == 0:
            barred.memberships.create(contact=address.contact)
    vip = {"is": "field", "field": "tags", "words": ["vip"]}
    return launching(people, now=now, conditions={"all": [vip], "excluded": [barred.pk], "hold_out": 30})


def test_every_intended_person_gets_a_row_and_the_forecast_the_list_and_the_gate_agree(crowd, now):
    senders = {"sms": crowd.contents.get().sender.value}
    expected = forecast(crowd, senders, now)
    listed = dict(left_out(crowd, senders, now, most=100))

    expand_wholly(crowd, now, chunk=7)

    found = reasons(crowd)
    assert Counter(found.values()) == expected
    assert {pk: reason for pk, reason in found.items() if reason} == listed
    assert found == verdicts(crowd, now)
    assert (len(found), crowd.audience_size, expected["excluded"]) == (48, 48, 12)
    assert expected["hold_out"]
    assert expected[""]
    assert expected["no_consent"]


def test_a_draft_looks_once_for_those_whom_its_conditions_mean(crowd, now):
    Campaign.objects.filter(pk=crowd.pk).update(state="draft")
    crowd.refresh_from_db()
    crowd.playbook.channel_order = "best_chance"
    crowd.playbook.switch_to = ["email", "voice"]
    crowd.playbook.save()
    for channel in crowd.playbook.switch_to:
        factories.content(crowd, channel)

    with CaptureQueriesContext(connection) as asked:
        draft = load(crowd, now)
        found = draft.size.n, draft.audience
        assert draft.planned

    assert found == (48, 48)
    assert sum("'vip'" in query["sql"] for query in asked.captured_queries) == 1


def test_held_out_are_people_who_would_have_been_written_to(crowd, now):
    crowd.conditions = crowd.conditions | {"hold_out": 50}
    crowd.save()

    expand_wholly(crowd, now)

    held = {pk for pk, reason in reasons(crowd).items() if reason == "hold_out"}
    assert held
    assert not crowd.messages.filter(contact__in=held).exists()
    assert all(drawing.place(pk, crowd.pk, drawing.HOLD_OUT) < 50 for pk in held)
    agreed = Recipient.objects.filter(campaign=crowd).exclude(skip_reason__in=["excluded", "no_consent"])
    assert held == {pk for pk in agreed.values_list("contact_id", flat=True)
                    if drawing.place(pk, crowd.pk, drawing.HOLD_OUT) < 50}  # fmt: skip


def test_nobody_held_out_or_excluded_later_is_handed_over(crowd, now):
    conditions = crowd.conditions
    Campaign.objects.filter(pk=crowd.pk).update(conditions={"all": conditions["all"]})
    expand_wholly(crowd, now)
    Campaign.objects.filter(pk=crowd.pk).update(
        conditions=conditions
    )  # as if a path had made the messages anyway
    expected = Counter(verdicts(Campaign.objects.get(pk=crowd.pk), now).values())
    fake = Fake()

    dispatch(now, fake)

    assert len(fake.left) == expected[""] == crowd.messages.exclude(handed_over_at=None).count()
    stopped = Decision.objects.filter(by="gate", message_id__in=crowd.messages.values("pk"))
    assert set(stopped.values_list("rule", flat=True)) == {"excluded", "hold_out"}
    assert agree()


def test_no_step_of_staff_and_no_released_suppression_writes_to_who_is_held_out(crowd, make_user, now):
    expand_wholly(crowd, now)
    held = list(crowd.recipients.filter(skip_reason__in=["hold_out", "excluded"]))
    suppressed = Suppression.objects.create(
        contact=held[0].contact, reason="staff", origin="staff", created_at=now
    )

    ran = [run_next_step_now(one, make_user("marketer"), now) for one in held]

    assert not any(ran)
    assert held_back(suppressed, now).ready == []
    assert not crowd.messages.filter(contact__in=[one.contact_id for one in held]).exists()


@pytest.mark.parametrize("change", ["joins", "leaves", "nothing"])
def test_paused_and_resumed_twice_while_it_is_prepared_each_has_one_row(crowd, people, change, now):
    Campaign.objects.filter(pk=crowd.pk).update(audience_size=48)
    for n in range(2):
        assert expand(crowd, now, 20)
        assert pause(crowd, Campaign.State.LAUNCHING)
        assert not expand(crowd, now, 20)
        if change == "joins":
            tag(member(people, now).contact, "vip")
        elif change == "leaves":
            people.memberships.order_by("-contact").first().delete()
        assert resume(crowd)
        assert Campaign.objects.get(pk=crowd.pk).state == Campaign.State.LAUNCHING, n

    expand_wholly(crowd, now, 20)

    contacts = list(crowd.recipients.values_list("contact", flat=True))
    assert len(contacts) == len(set(contacts)) == crowd.audience_size == crowd.expanded_count
    assert set(contacts) >= {one.contact_id for one in members_with(crowd, "vip")}
    assert crowd.state == Campaign.State.SENDING
    assert agree()


def test_the_first_people_are_those_who_are_meant(crowd, now):
    assert set(meant.first_contacts(crowd, now)) == {one.contact for one in members_with(crowd, "vip")}


def members_with(campaign, word):
    rows = campaign.lists.get().memberships.select_related("contact")
    return [one for one in rows if one.contact.attributes.get("tags") == word]


@pytest.mark.parametrize("joins", [True, False])
def test_whoever_has_not_confirmed_for_their_only_list_is_left_out_of_everybody_too(people, now, joins):
    factories.account()
    address = member(people, now)
    tag(address.contact, "vip")
    people.double_opt_ins.create(
        channel=Channel.SMS, sender_value="+12025550100", since=now - timedelta(days=9), begun_at=now
    )
    if not joins:
        factories.contact_list().memberships.create(contact=address.contact)
    vip = {"is": "field", "field": "tags", "words": ["vip"]}
    campaign = launching(now=now, conditions={"all": [vip], "everybody": True})
    people.memberships.update(added_at=now - timedelta(days=1))

    expand_wholly(campaign, now)

    assert (
        reasons(campaign) == verdicts(campaign, now) == {address.contact_id: "not_confirmed" if joins else ""}
    )


def test_a_moment_long_ago_is_no_error(people):
    factories.contact(lists=[people])
    longest = {"is": "reached", "any_channel": "", "days": 3_650, "not": True}
    assert len(meant_by(timezone.now(), longest, lists=[people])) == 1


@pytest.mark.parametrize("condition", [{"is": "never"}, {"is": "reached", "any_channel": "sms", "days": 90}])
def test_a_long_history_is_not_gone_through_anew_for_each_contact(condition, people, now):
    """PostgreSQL does so with a list that it finds no room for in its memory."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite makes an index of it")
    contacts = Contact.objects.bulk_create(Contact(name=f"Person {n}") for n in range(200))
    for _ in range(20):
        campaign = factories.campaign()
        Recipient.objects.bulk_create(
            Recipient(campaign=campaign, contact=one, state="reached", reached_at=now) for one in contacts
        )
    sql, values = meant.sql_who(Who((people.pk,), Conditions.read({"all": [condition]})), now)
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL work_mem = '64kB'; SET LOCAL hash_mem_multiplier = 1; ANALYZE campaigns_recipient"
        )
        cursor.execute(f"EXPLAIN {sql}", {**values, "low": 0, "high": meant.LAST})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index" in plan
    assert "Materialize" not in plan
