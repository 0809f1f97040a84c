"""The pages of shared playbooks: what each does, whom a change is about, and that it is looked at, kept and named."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from campaigns.models import Campaign, Playbook, PlaybookChange
from campaigns.own_playbooks import follow
from dashboard.playbooks.forms import PlaybookPageForm
from tests import factories
from tests.engine import rebuild

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared():
    return factories.playbook(name="House rules", switch_to=["email"], urgent_switch_to=["voice", "email"])


@pytest.fixture
def admin(login):
    return login("admin")


def address(playbook):
    return reverse("playbooks:playbook", args=[playbook.pk])


def typed(playbook, **changes):
    form = PlaybookPageForm(instance=playbook)
    given = {name: form[name].value() for name in form.fields}
    return given | {"version": playbook.version} | changes


def read(answer):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def with_people(campaign, **states):
    for state, n in states.items():
        for _ in range(n):
            recipient = factories.recipient(campaign, factories.contact(), state=state)
            factories.message(recipient)
    rebuild()


def test_the_list_says_what_each_does_and_each_number_opens_its_campaigns(admin, shared):
    factories.campaign(name="Spring", playbook=shared, state="completed")
    factories.campaign(name="Summer", playbook=shared, state="sending")
    own = factories.campaign(name="Autumn", playbook=shared, state="sending")
    follow(own, shared, {"retries": 9})

    page = admin.get(reverse("playbooks:list"))

    assert (
        "What was sent is retried 2 times, 4 h apart, for at most 24 h; after 48 h it moves to email, urgent ones to"
        " voice, then email. Nothing is waited for after 72 h." in read(page)
    )
    urls = re.findall(r'href="([^"]*playbook=-?\d+)">(\d+)<', page.content.decode())
    assert [n for _, n in urls] == ["2", "1", "1"]
    for url, n in urls:
        assert f"{n} campaign" in read(admin.get(html.unescape(url)))


def test_a_list_of_many_takes_as_many_queries(admin, shared, django_assert_max_num_queries):
    with django_assert_max_num_queries(14) as few:
        admin.get(reverse("playbooks:list"))
    for n in range(5):
        factories.campaign(playbook=factories.playbook(name=f"Rules {n}"))

    with django_assert_max_num_queries(len(few.captured_queries)):
        admin.get(reverse("playbooks:list"))


def test_a_change_is_shown_with_whom_it_is_about_before_it_is_saved(admin, shared):
    going = factories.campaign(name="Winter offer", playbook=shared, state="sending")
    with_people(going, open=3, planned=2, reached=1)
    given = typed(shared, retries=5, switch_to=["voice", "email"])

    looked = admin.post(address(shared), given)

    said = read(looked)
    assert looked.status_code == 200
    assert "This changes 1 running campaign at once, for 5 people who still wait" in said
    assert "Retries: 2 → 5" in said
    assert "Move to: email → voice, then email" in said
    assert Playbook.objects.get(pk=shared.pk).retries == 2
    for state, n in (("open", 3), ("planned", 2)):
        assert f'href="{going.get_absolute_url()}?person={state}">{n}</a>' in looked.content.decode()
        assert f"{n} people" in read(admin.get(f"{going.get_absolute_url()}?person={state}"))

    seen = re.search(r'name="looked_at" value="(\w+)"', looked.content.decode())[1]
    assert admin.post(address(shared), given | {"looked_at": seen}).status_code == 302

    shared.refresh_from_db()
    assert (shared.retries, shared.switch_to, shared.version) == (5, ["voice", "email"], 2)


def test_what_was_not_looked_at_is_not_saved_with_what_was(admin, shared):
    factories.campaign(playbook=shared, state="paused")
    looked = admin.post(address(shared), typed(shared, retries=5))
    seen = re.search(r'name="looked_at" value="(\w+)"', looked.content.decode())[1]

    again = admin.post(address(shared), typed(shared, retries=7, looked_at=seen))

    assert "Retries: 2 → 7" in read(again)
    assert Playbook.objects.get(pk=shared.pk).retries == 2


def test_a_change_is_kept_with_who_made_it_and_what_it_was_before(admin, shared):
    admin.post(address(shared), typed(shared, busy_retries=1, name="Our rules"))

    kept = PlaybookChange.objects.get()
    assert (kept.playbook, kept.version, kept.changed) == (shared, 2, ["name", "busy_retries"])
    assert (kept.before["busy_retries"], kept.after["busy_retries"]) == (2, 1)
    said = read(admin.get(address(shared)))
    assert "Busy: retries: 2 → 1" in said
    assert "Name: House rules → Our rules" in said
    assert kept.by.display_name in said


def test_nothing_changed_is_no_version(admin, shared):
    assert admin.post(address(shared), typed(shared)).status_code == 302

    assert Playbook.objects.get(pk=shared.pk).version == 1
    assert not PlaybookChange.objects.exists()


def test_whoever_saves_second_reads_what_was_saved_meanwhile(admin, shared):
    mine = typed(shared, retries=5)
    admin.post(address(shared), typed(shared, retries=3))

    answer = admin.post(address(shared), mine)

    assert answer.status_code == 422
    assert "It was saved meanwhile as version 2" in read(answer)
    assert "Retries: 3 → 5" in read(answer)
    assert Playbook.objects.get(pk=shared.pk).retries == 3
    version = re.search(r'name="version" value="(\d+)"', answer.content.decode())[1]
    admin.post(address(shared), mine | {"version": version})
    assert Playbook.objects.get(pk=shared.pk).retries == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"retries": "99"}, "Retries : Ensure this value is less than or equal to 20."),
        ({"retries": "x"}, "Retries : Enter a whole number."),
        (
            {"busy_after_minutes": "0"},
            "Busy: minutes between retries : Ensure this value is greater than or equal to 1.",
        ),
        (
            {"retry_after_hours": "30"},
            "Hours between retries : A temporary failure: a pause of 30 h does not fit into 24 h",
        ),
        ({"strikes": "0"}, "Permanent failures in a row : Ensure this value is greater than or equal to 1."),
        ({"switch_to": ["fax"]}, "Move to : Select a valid choice."),
        ({"channel_order": ""}, "Order of channels : This field is required."),
        ({"name": ""}, "Name : This field is required."),
        ({"name": "Taken"}, "Name : Another playbook has this name: choose another."),
    ],
)
def test_what_cannot_be_is_refused_whole_and_names_its_field(admin, shared, changes, words):
    factories.playbook(name="Taken")

    answer = admin.post(address(shared), typed(shared, **changes))

    assert answer.status_code == 422
    assert words in read(answer)
    assert Playbook.objects.get(pk=shared.pk).version == 1


def test_one_is_made_and_one_is_duplicated(admin, shared):
    Playbook.objects.filter(pk=shared.pk).update(retries=7)
    page = admin.get(f"{reverse('playbooks:new')}?from={shared.pk}").content.decode()
    assert 'value="House rules, copy"' in page
    assert re.search(r'name="retries" value="7"', page)

    admin.post(reverse("playbooks:new"), typed(Playbook(name="Fresh")))

    made = Playbook.objects.get(name="Fresh")
    assert (made.version, made.retries, made.own_of) == (1, 2, None)
    assert "It was made." in read(admin.get(address(made)))


@pytest.mark.parametrize("query", ["from=x", "from=99999999999999999999", "from=0"])
def test_a_copy_of_none_is_a_new_one(admin, query):
    assert "New playbook" in read(admin.get(f"{reverse('playbooks:new')}?{query}"))


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_whoever_may_not_change_it_reads_it(login, shared, role):
    client = login(role)

    page = client.get(address(shared))

    assert page.status_code == 200
    assert "Administrators change it." in read(page)
    assert '<button class="btn primary">Save' not in page.content.decode()
    assert "Look at what changes" not in read(page)
    assert client.post(address(shared), typed(shared, retries=5)).status_code == 403
    assert client.get(reverse("playbooks:new")).status_code == 403


def test_the_playbook_of_one_campaign_is_changed_where_that_campaign_is(admin, shared):
    campaign = factories.campaign(playbook=shared)
    own = follow(campaign, shared, {"retries": 9})

    assert admin.get(address(own)).url == campaign.get_absolute_url()
    assert Campaign.objects.get(pk=campaign.pk).playbook == own


def test_a_change_in_the_admin_is_kept_as_well(client, shared):
    from campaigns.models.playbooks import RULES

    client.force_login(factories.user("admin", is_staff=True))
    given = {name: getattr(shared, name) for name in RULES} | {"name": shared.name, "retries": 4}

    client.post(reverse("admin:campaigns_playbook_change", args=[shared.pk]), given)

    assert PlaybookChange.objects.get().changed == ["retries"]
