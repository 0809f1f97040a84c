"""Replies to read: sends wait for them, and what a colleague says they were holds."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from contacts import gate
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out
from contacts.models import Consent, Reply, Suppression
from contacts.suppressing import suppress
from dashboard.contacts.explaining_words import day_words
from deliveries.models import Outbox
from deliveries.receiving import inbox
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, consent, person, sending, waiting

pytestmark = pytest.mark.django_db

DOUBTFUL = "Stop by the office tomorrow and I will sign"
TAKEN_SO = "I moved away last year. STOP"
OPT_OUT, NO_OPT_OUT = Reply.Judgement.OPT_OUT, Reply.Judgement.NO_OPT_OUT


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign():
    return sending()


@pytest.fixture
def robin(now):
    """Somebody who may be texted and mailed."""
    return person("sms", "email", at=now, name="Robin Doe")


@pytest.fixture
def wrote(account, now):
    """`wrote(contact, text)`: that this came in as a text from their phone, recorded."""

    def write(contact, text=DOUBTFUL, at=None, **more):
        number = contact.addresses.get(kind="phone").value
        payload = {"channel": "sms", "from": number, "to": "+12125550199", "text": text,
                "occurred_at": (at or now).isoformat(), **more}  # fmt: skip
        store([Incoming(account.pk, "inbound", at or now, "POST", "", {}, json.dumps(payload).encode())])
        record_all(at or now)
        return Reply.objects.filter(text=text).last()

    return write


@pytest.fixture
def ada():
    return factories.user("support", first_name="Ada", last_name="Byron")


def verdict(contact, now, channel="sms"):
    address = contact.addresses.get(kind="email" if channel == "email" else "phone")
    ask = gate.Ask(
        key=1, contact_id=contact.pk, address_id=address.pk, channel=channel, sender_value="",
        window_start=now.time().replace(hour=0, minute=0), window_end=now.time().replace(hour=23, minute=59),
        campaign_state="sending", sender_state="approved", relevant_until=None,
    )  # fmt: skip
    return gate.check([ask], now)[1]


@pytest.mark.parametrize(
    "text",
    [DOUBTFUL, "Stop the bill! I am in", "what time does it end?", "no thanks", "ELIMINAR", "bus stop"],
)
def test_sends_wait_until_a_doubtful_reply_was_read(robin, wrote, campaign, account, now, text):
    reply = wrote(robin, text)
    message = waiting(campaign, account, now, robin)
    carriers = Fake()

    dispatch(now, carriers)

    assert carriers.left == []
    assert Outbox.objects.get(message=message).held == "reply_unread"
    assert not reply.acted
    assert {verdict(robin, now, channel).reason for channel in ("sms", "email")} == {"reply_unread"}
    assert verdict(robin, now).until == now + gate.ASK_AGAIN


def test_no_opt_out_lets_them_go_at_once(robin, wrote, campaign, account, ada, now):
    reply = wrote(robin)
    message = waiting(campaign, account, now, robin)
    dispatch(now, Fake())

    judged = inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now)

    assert judged
    assert (judged.read_by, judged.read_at) == (ada, now)
    assert verdict(robin, now).allowed
    carriers = Fake()
    dispatch(now, carriers)
    assert [out.ref for out in carriers.left] == [str(message.uuid)]


def test_opt_out_does_what_a_stop_does(robin, wrote, campaign, account, ada, now):
    reply = wrote(robin)
    message = waiting(campaign, account, now, robin)

    inbox.judge(reply.pk, OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    said = Suppression.objects.get()
    assert (said.reason, said.origin, said.created_by) == ("stop", "recipient", ada)
    assert (said.evidence, said.created_at) == (DOUBTFUL, now)
    assert not latest_consents([robin.pk])[robin.pk, "sms"].opted_in
    assert Consent.objects.filter(how="Reply, read by Ada Byron", recorded_by=ada).exists()
    message.refresh_from_db()
    assert message.canceled_at


def test_another_reply_goes_on_holding(robin, wrote, campaign, account, ada, now):
    first, second = wrote(robin), wrote(robin, "Stop in any time", now + timedelta(minutes=1))

    inbox.judge(first.pk, NO_OPT_OUT, "", by=ada, now=now)
    assert verdict(robin, now).reason == "reply_unread"

    inbox.judge(second.pk, NO_OPT_OUT, "", by=ada, now=now)
    assert verdict(robin, now).allowed


def test_everybody_who_shares_the_number_waits(robin, wrote, now):
    other = factories.contact()
    factories.phone(other, value=robin.addresses.get(kind="phone").value)
    consent(other, "sms", at=now - timedelta(days=1))

    wrote(robin)

    assert verdict(other, now).reason == "reply_unread"


def test_who_has_said_no_is_stopped_and_not_held(robin, wrote, now):
    wrote(robin)
    wrote(robin, "STOP", now + timedelta(minutes=1))

    assert verdict(robin, now).reason == "opted_out"


@pytest.mark.parametrize("text", ["STOP", "yes", "Unsubscribe please", "See you there", "HELP"])
def test_a_clear_reply_is_for_nobody_to_read(robin, wrote, text):
    wrote(robin, text)

    assert not Reply.objects.filter(doubtful=True).exists()


def test_what_was_taken_for_an_opt_out_among_other_words_is_looked_over(robin, wrote, now):
    reply = wrote(robin, TAKEN_SO)

    assert reply.acted
    assert verdict(robin, now).reason == "opted_out"
    assert reply.found == "stop"


def test_a_judgement_by_name_lifts_what_was_recorded_for_that_reply(robin, wrote, ada, now):
    reply = wrote(robin, TAKEN_SO)

    inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    said = Suppression.objects.get()
    assert (said.released_by, said.release_note) == (ada, "Read by Ada Byron: no opt-out")
    latest = latest_consents([robin.pk])[robin.pk, "sms"]
    assert latest.opted_in
    assert Consent.objects.get(how="Correction", channel="sms").recorded_by == ada
    assert verdict(robin, now + timedelta(hours=1)).allowed


def test_who_had_never_opted_in_has_not_done_so_by_a_judgement(robin, wrote, ada, now):
    Consent.objects.filter(contact=robin).delete()
    reply = wrote(robin, TAKEN_SO)

    inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    assert not latest_consents([robin.pk])
    said = Consent.objects.get(contact=robin, channel="sms", withdraws__isnull=False)
    assert said.what == "Opt-out withdrawn"
    assert said.evidence == "Ada Byron read the reply and found no opt-out in it"


@pytest.mark.parametrize("minutes", [-1, 0, 1])
def test_what_else_they_said_stays(robin, wrote, ada, now, minutes):
    reply = wrote(robin, TAKEN_SO)
    wrote(robin, "STOP", now + timedelta(minutes=minutes))

    inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    assert verdict(robin, now + timedelta(hours=1)).reason == "opted_out"


@pytest.mark.parametrize("first", [0, 1])
def test_two_replies_that_were_none_leave_nothing_behind_in_whichever_order(robin, wrote, ada, now, first):
    """The second said nothing new, so only the first is in the ledger."""
    replies = [wrote(robin, TAKEN_SO), wrote(robin, "Bus 12 is late, stop", now + timedelta(minutes=1))]
    assert all(reply.acted for reply in replies)

    for reply in (replies[first], replies[not first]):
        inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    assert latest_consents([robin.pk])[robin.pk, "sms"].opted_in
    assert verdict(robin, now + timedelta(hours=1)).allowed


def test_who_opted_out_of_email_is_texted_again_where_the_text_was_no_opt_out(robin, wrote, ada, now):
    reply = wrote(robin, TAKEN_SO)
    email = robin.addresses.get(kind="email")
    record_opt_out(value=email.value, channel="email", how="Unsubscribed", evidence="Link", at=now)

    inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now + timedelta(hours=1))

    assert verdict(robin, now + timedelta(hours=1)).allowed
    assert verdict(robin, now + timedelta(hours=1), "email").reason == "opted_out"


def test_confirming_what_was_done_changes_nothing_but_who_read_it(robin, wrote, ada, now):
    reply = wrote(robin, TAKEN_SO)

    inbox.judge(reply.pk, OPT_OUT, "", by=ada, now=now)

    assert Suppression.objects.count() == 1
    assert not Reply.objects.unread().exists()


def test_a_judgement_can_be_said_anew_as_often_as_it_takes(robin, wrote, ada, now):
    reply = wrote(robin)
    allowed = []

    for n, (word, seen) in enumerate(
        [(OPT_OUT, ""), (NO_OPT_OUT, OPT_OUT), (OPT_OUT, NO_OPT_OUT), (NO_OPT_OUT, OPT_OUT)], start=1
    ):
        assert inbox.judge(reply.pk, word, seen, by=ada, now=now + timedelta(hours=n))
        allowed.append(verdict(robin, now + timedelta(hours=n)).reason)

    assert allowed == ["opted_out", "", "opted_out", ""]
    assert Suppression.objects.count() == 2


@pytest.mark.parametrize(("word", "seen"), [(OPT_OUT, NO_OPT_OUT), (OPT_OUT, OPT_OUT)])
def test_who_was_slower_changes_nothing(robin, wrote, ada, now, word, seen):
    reply = wrote(robin)

    assert inbox.judge(reply.pk, word, seen, by=ada, now=now) is None
    assert not Suppression.objects.exists()


def test_a_reply_told_twice_is_read_once(robin, wrote, ada, now):
    reply = wrote(robin)
    inbox.judge(reply.pk, NO_OPT_OUT, "", by=ada, now=now)

    wrote(robin)

    assert Reply.objects.count() == 1
    assert verdict(robin, now).allowed


def test_our_words_quoted_back_are_known_by_what_was_sent(robin, wrote, campaign, account, now):
    campaign.contents.update(body="Hi {first_name}, the clinic moved. Wrong number? Reply STOP to end.")
    waiting(campaign, account, now, robin)
    dispatch(now, Fake())

    wrote(
        robin,
        "Fand “Hi Robin, the clinic moved. Wrong number? Reply STOP to end.” klasse",
        now + timedelta(hours=1),
    )

    assert not Reply.objects.filter(doubtful=True).exists()
    assert not Suppression.objects.exists()


def test_a_reply_of_nobody_we_know_waits_for_whoever_gets_that_number(account, now):
    payload = {"channel": "sms", "from": "+12125550142", "to": "+12125550199", "text": DOUBTFUL,
            "occurred_at": now.isoformat()}  # fmt: skip
    store([Incoming(account.pk, "inbound", now, "POST", "", {}, json.dumps(payload).encode())])
    record_all(now)
    later = factories.contact()
    factories.phone(later, value="+12125550142")
    consent(later, "sms", at=now)

    assert verdict(later, now).reason == "reply_unread"


# ---- The page --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(client):
    def open_as(role, name="list"):
        client.force_login(factories.user(role))
        return client.get(reverse(f"inbox:{name}"))

    return open_as


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_everybody_reads_replies_and_says_what_they_were(client, page, robin, wrote, role):
    reply = wrote(robin)

    shown = page(role).content.decode()
    assert DOUBTFUL in shown
    assert "Robin Doe" in shown
    assert robin.addresses.get(kind="phone").value not in shown
    assert "“stop” may be an opt-out." in shown

    client.post(reverse("inbox:judge", args=[reply.pk]), {"judgement": "no_opt_out", "seen": ""})
    reply.refresh_from_db()
    assert reply.judgement == "no_opt_out"
    assert "No opt-out, by" in " ".join(page(role, "read").content.decode().split())


def test_a_number_at_the_end_of_what_is_shown_is_masked_before_it_is_cut_off(page, robin, wrote):
    wrote(robin, f"{DOUBTFUL} ".ljust(492, ".") + " +12025550143 is my sister's")

    shown = page("marketer").content.decode()

    assert DOUBTFUL in shown
    assert "+1202" not in shown


def test_no_opt_out_promises_nothing_that_another_block_forbids(client, page, robin, wrote, now):
    reply = wrote(robin)
    suppress(contact=robin, reason="staff", origin="staff", now=now)
    page("support")

    data = {"judgement": "no_opt_out", "seen": ""}
    shown = client.post(reverse("inbox:judge", args=[reply.pk]), data, follow=True).content.decode()

    assert "this reply no longer stops messages" in shown
    assert "may be written to" not in shown


def test_without_the_permission_there_is_no_page(client, robin, wrote):
    reply = wrote(robin)
    client.force_login(factories.user())

    assert client.get(reverse("inbox:list")).status_code == 403
    assert client.post(reverse("inbox:judge", args=[reply.pk]), {"judgement": "opt_out"}).status_code == 403
    assert not Suppression.objects.exists()


def test_who_may_not_suppress_may_only_look(client, robin, wrote):
    from django.contrib.auth.models import Permission

    reply, reader = wrote(robin), factories.user()
    reader.user_permissions.add(Permission.objects.get(codename="view_reply"))
    client.force_login(reader)

    assert b"No opt-out" not in client.get(reverse("inbox:list")).content
    assert client.post(reverse("inbox:judge", args=[reply.pk]), {"judgement": "opt_out"}).status_code == 403


@pytest.mark.parametrize(
    "data",
    [{}, {"judgement": "perhaps"}, {"judgement": "opt_out", "seen": "x"}, {"judgement": "opt_out\x00"}],
)
def test_nonsense_changes_nothing(client, page, robin, wrote, data):
    reply = wrote(robin)
    page("support")

    answer = client.post(reverse("inbox:judge", args=[reply.pk]), data, follow=True)

    assert "Nothing was changed" in answer.content.decode()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("name", ["list", "acted", "read"])
def test_an_empty_box_says_so(page, name):
    assert "othing" in page("support", name).content.decode()


@pytest.mark.parametrize("name", ["list", "acted", "read"])
def test_the_page_asks_the_same_number_of_queries_for_many(
    client, page, now, name, django_assert_max_num_queries
):
    ada = factories.user("support")
    for n in range(60):
        contact = factories.contact()
        number = factories.phone(contact).value
        Reply.objects.create(
                doubtful=True,
            value=number, values=[number], channel="sms", text=f"Stop {n}", fact=f"f{n}", at=now,
            acted=name == "acted", read_at=now if name == "read" else None, read_by=ada if name == "read" else None,
        )  # fmt: skip
    page("support")

    with django_assert_max_num_queries(15):
        first = client.get(reverse(f"inbox:{name}"))
    older = client.get(reverse(f"inbox:{name}"), {"after": first.context["page"].after})

    assert [len(one.context["rows"]) for one in (first, older)] == [30, 30]
    assert not older.context["page"].after


def shared(n, now):
    """A reply from a number that `n` people have, one of them twice."""
    people = [factories.contact(name=f"Person {number}") for number in range(n)]
    for one in people:
        factories.phone(one, value="+12125550142")
    factories.phone(people[0], value="+1 212 555 0142", preferred=False)
    return Reply.objects.create(
        doubtful=True,
        value="+12125550142",
        values=["+12125550142"],
        channel="sms",
        text="Stop it",
        fact="f",
        at=now,
    )


@pytest.mark.parametrize(
    ("n", "others"), [(1, ""), (3, ""), (4, "and 1 other who"), (120, "and 117 others who")]
)
def test_of_those_who_share_a_number_a_few_are_named_and_the_others_counted(page, now, n, others):
    shared(n, now)

    shown = page("marketer")

    words = " ".join(re.sub(r"<[^>]+>", "", shown.content.decode()).split())
    assert [len(row.owners.first) for row in shown.context["rows"]] == [min(n, 3)]
    assert words.count("Person ") == min(n, 3)
    assert (others in words) if others else ("other who" not in words and "others who" not in words)


def test_all_who_share_a_number_are_listed_by_pages(client, page, now, django_assert_max_num_queries):
    reply = shared(120, now)
    page("marketer")

    seen, after = [], ""
    with django_assert_max_num_queries(3 * 10):
        while True:
            answer = client.get(reverse("inbox:owners", args=[reply.pk]), {"after": after})
            seen += re.findall(r">(Person \d+)<", answer.content.decode())
            after = answer.context["page"].after
            if not after:
                break

    assert len(seen) == len(set(seen)) == 120
    assert "+12125550142" not in answer.content.decode()


def test_who_has_an_address_is_for_readers_of_replies(client, now):
    reply = shared(1, now)
    client.force_login(factories.user())

    assert client.get(reverse("inbox:owners", args=[reply.pk])).status_code == 403


def test_the_navigation_counts_what_its_page_lists(page, robin, wrote):
    wrote(robin)
    wrote(robin, TAKEN_SO)

    shown = page("support").content.decode()
    assert '<span>Replies</span><span class="rail-count">1</span>' in shown.replace("> <", "><")


def test_the_trail_says_that_a_reply_waits_and_leads_to_it(client, robin, wrote, campaign, account, now):
    wrote(robin, at=timezone.now())
    client.force_login(factories.user("support"))

    shown = client.get(reverse("contacts:trail", args=[robin.pk])).content.decode()

    assert "A reply has to be read." in shown
    assert reverse("inbox:list") in shown


def trail_of(contact, client):
    return " ".join(client.get(reverse("contacts:trail", args=[contact.pk])).content.decode().split())


@time_machine.travel("2026-03-04 17:00Z", tick=False)  # the same day for them and for us
def test_while_a_reply_waits_nothing_is_called_reachable_and_the_customer_is_told(client, robin, wrote):
    address = robin.addresses.get(kind="phone")
    factories.message(factories.recipient(contact=robin), address=address, status="delivered")
    client.force_login(factories.user("support"))
    assert ">Reachable<" in trail_of(robin, client).replace("> ", ">").replace(" <", "<")

    reply = wrote(robin, at=timezone.now())
    page = trail_of(robin, client)

    assert "Reachable<" not in page.replace(" <", "<")
    assert page.count("On hold") == 3  # they never opted in to calls
    day = day_words(reply.at)
    assert f"You wrote to us on {day}; we hold everything until it is read." in page
    assert "We can still reach you" not in page


def test_who_has_said_no_is_not_told_that_a_reply_holds_anything(client, robin, wrote, now):
    consent(robin, "sms", "mms", "voice", "rvm", "email", at=now, opted_in=False)
    wrote(robin, at=timezone.now())
    client.force_login(factories.user("support"))

    page = trail_of(robin, client)

    assert "until it is read" not in page
    assert "On hold" not in page


@pytest.mark.parametrize(
    ("judgement", "words"), [(NO_OPT_OUT, "Reply read: no opt-out"), (OPT_OUT, "Reply read: opt-out")]
)
def test_the_trail_says_who_read_a_reply_and_as_what(client, robin, wrote, ada, judgement, words):
    reply = wrote(robin, at=timezone.now())
    inbox.judge(reply.pk, judgement, "", by=ada, now=timezone.now())
    client.force_login(factories.user("admin"))

    page = trail_of(robin, client)
    lines = b"".join(client.get(f"/contacts/{robin.pk}/export/").streaming_content).decode()

    event = page[page.index(f"<h3>{words}</h3>") :].partition("</li>")[0]
    assert "Read by Ada Byron" in event
    assert reply.text in event
    assert "Ada Byron" in lines
    assert "Reply read" in lines


@pytest.mark.parametrize(
    ("text", "asks"),
    [("Please call me back", "call"), ("Who is this?", "who"), ("Wrong number", "wrong"), ("See you at 9", ""),
     ("STOP calling me, call me never again", "")],
)  # fmt: skip
def test_what_a_reply_asks_of_a_colleague_is_kept_with_it(robin, wrote, text, asks):
    assert wrote(robin, text).asks == asks
