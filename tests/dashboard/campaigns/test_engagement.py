"""What people did, in a campaign's report: over those it reached, each number opening exactly those people."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from campaigns.links import CODE_LENGTH, address_of
from campaigns.models import Campaign, Recipient
from dashboard.campaigns.what_notes import channel_notes
from deliveries.ledger import engagement, tallies
from deliveries.models import Engagement, Message
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.engagement_figures import EngagementFigures
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db
DELIVERED, PERMANENT, SENT = 0, 2, 3


@pytest.fixture
def marketer(login):
    return login("marketer")


def campaign(*outcomes, **fields):
    made = reporting_rows.campaign(outcomes, track_links=True, **fields)
    for recipient in made.recipients.filter(state="reached"):
        Recipient.objects.filter(pk=recipient.pk).update(
            reached_by=Message.objects.filter(recipient=recipient).latest("pk").channel
        )
    tallies.rebuild(tallies.EngagementTally)
    return made


def did(message, kind, **fields):
    if kind in ("other", "stop"):
        factories.reply(message, kind)
    else:
        Engagement.objects.create(
            contact=message.contact,
            message_id=message.pk,
            channel=message.channel,
            kind=kind,
            at=timezone.now(),
            **fields,
        )
    engagement.note({message.pk})
    tallies.fold_all()


def panel(page: str) -> str:
    return page.partition('<section id="engagement"')[2].partition("</section>")[0]


def opened(client, address):
    page = client.get(unescape(address)).content.decode()
    count = re.search(r'id="count"[^>]*>\s*([\d,]+)\s+(\w+)', page)
    assert count.group(2) in ("people", "person")
    return int(count.group(1)), re.findall(r'name="messages" value="(\d+)"', page)


def test_each_number_opens_exactly_those_people(marketer):
    made = campaign(*[DELIVERED] * 5, PERMANENT, SENT)
    first, second, third, fourth, fifth, _, sent = Message.objects.order_by("pk")
    did(first, "click")
    did(first, "click")
    did(second, "click")
    did(second, "other")
    did(third, "click", machine=True, machine_why="agent")
    did(fourth, "open")
    did(sent, "click")
    did(fifth, "stop")

    page = panel(marketer.get(made.get_absolute_url()).content.decode())
    links = re.findall(r'<a href="([^"]*engaged=([^"]*))">([\d,]+)', page)

    assert {what: int(n) for _, what, n in links} == {
        "reached.sms": 5, "clicked.sms": 2, "replied.sms": 2, "opted_out.sms": 1, "opened.sms": 1, "bot_click": 1,
        "any.none": 1, "replied": 2, "opted_out": 1,
    }  # fmt: skip
    for address, _, n in links:
        assert (lambda found: (found[0], len(found[1])))(opened(marketer, address)) == (int(n), int(n))
    said = " ".join(re.sub("<[^>]*>", "", page).split())
    assert "2 people replied, 1 of them opted out." in said
    assert "40.0%" in page  # two of the five reached, not of the seven sent
    _, ids = opened(marketer, f"{made.get_absolute_url()}?engaged=clicked.sms")
    assert set(ids) == {str(first.pk), str(second.pk)}


def test_a_campaign_that_reached_nobody_says_so_and_one_that_sent_nothing_has_no_panel(marketer):
    sent = panel(marketer.get(campaign(SENT).get_absolute_url()).content.decode())

    assert "Nobody reached yet" in sent
    nothing = factories.campaign(state="sending")
    assert panel(marketer.get(nothing.get_absolute_url()).content.decode()) == ""


@pytest.mark.parametrize("value", ["clicked.smoke", "nonsense", "any.none'", "machine"])
def test_a_filter_that_there_is_not_is_refused(marketer, value):
    answer = marketer.get(campaign(DELIVERED).get_absolute_url(), {"engaged": value})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("reached", "engaged", "failed", "track", "said"),
    [
        (800, 400, 200, True, "Fix delivery first: 80.0% was delivered"),
        (40, 1, 0, True, "Too few people to judge: of fewer than 100"),
        (5_000, 50, 0, True, "look at the message, not at the route"),
        (5_000, 50, 0, False, "clicks are not counted in this campaign"),
        (5_000, 900, 0, True, "18.0% of the people reached did something: more than the 6% that is little."),
        (200, 11, 0, True, "5.5% of the people reached did something."),  # chance may have decided
    ],
)
def test_the_sentence_says_what_to_look_at_first(reached, engaged, failed, track, said):
    tally = tallies.EngagementTally
    tally.objects.create(campaign_id=1, reached_by="sms", deed="reached", n=reached)
    tally.objects.create(campaign_id=1, reached_by="sms", deed="any", n=engaged)
    tally.objects.create(campaign_id=1, reached_by="", deed="any", n=7)
    now = timezone.now()
    completed = now - timedelta(days=2)
    figures = EngagementFigures(Campaign(pk=1, track_links=track, completed_at=completed))

    assert said in figures.sentence(Outcomes({"DELIVERED": reached, "BOUNCED_HARD": failed}), now)


@pytest.mark.parametrize("hours", [None, 1, 23])
def test_it_is_too_early_to_judge_until_people_had_a_day_to_answer(hours):
    tallies.EngagementTally.objects.create(campaign_id=1, reached_by="sms", deed="reached", n=5_000)
    now = timezone.now()
    completed = hours and now - timedelta(hours=hours)
    figures = EngagementFigures(Campaign(pk=1, track_links=True, completed_at=completed))

    assert figures.sentence(Outcomes({"DELIVERED": 5_000}), now).startswith("Too early to judge")


def test_a_click_stands_on_the_message_and_the_trail_with_its_link_and_who_made_it(marketer):
    campaign(DELIVERED)
    message = Message.objects.get()
    did(message, "click", text="https://shop.example/sale", machine=True, machine_why="head")

    for address in (f"/deliveries/{message.pk}/", f"/contacts/{message.contact_id}/"):
        page = marketer.get(address).content.decode()
        assert "https://shop.example/sale" in page
        assert "Probably a machine: it only asked whether the page is there." in page


def test_a_link_in_a_message_is_shown_and_never_followed_from_here(marketer):
    campaign(DELIVERED)
    message = Message.objects.get()
    did(message, "click", text="javascript:alert(1)//<script>")

    page = marketer.get(f"/deliveries/{message.pk}/").content.decode()

    assert 'href="javascript' not in page
    assert "<script>" not in page.partition('id="did-title"')[2].partition("</section>")[0]


def test_a_draft_says_how_many_segments_counting_clicks_costs():
    text = "See https://a.example/b " + "x" * 130
    campaign = factories.campaign(lists=[factories.contact_list()], track_links=True)
    content = factories.content(campaign, body=text)

    notes = channel_notes(campaign, [content], timezone.now())["sms"]

    assert notes.links == (
        f"The short link takes {len(address_of('x' * CODE_LENGTH))} characters:"
        " 2 segments instead of 1 without counting clicks."
    )
    campaign.track_links = False
    assert not channel_notes(campaign, [content], timezone.now())["sms"].links


def test_a_draft_says_how_its_links_leave_and_when_nobody_could_open_them(login, settings):
    settings.LINK_URL = "http://127.0.0.1:8000"
    draft = factories.campaign(lists=[factories.contact_list()])
    factories.account()
    content = factories.content(draft, body="See https://shop.example/sale")
    given = {
        "what-channel": "sms",
        "what-sms_sender": content.sender_id,
        "what-sms_body": content.body,
        "edited": "0",
    }
    marketer, address = login("marketer"), f"/campaigns/{draft.slug}/edit/what/"

    marketer.post(address, given | {"what-track_links": "on"})
    page = marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
    draft.refresh_from_db()
    assert draft.track_links
    assert "Its links leave as http://127.0.0.1:8000, which nobody outside can open." in page
    assert "are counted with their 42 characters" in page

    marketer.post(address, given | {"edited": draft.edited})
    draft.refresh_from_db()
    assert not draft.track_links
    assert "Its links leave as" not in marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
