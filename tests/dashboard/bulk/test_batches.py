import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Consent, Suppression
from deliveries.bulk import actions
from deliveries.models import Account, Batch, Message, QueueEntry
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    made = reporting_rows.campaign([1, 1, 1, 0])
    factories.content(made)
    made.contents.get().sender.accounts.set([Message.objects.first().account])
    for contact in {message.contact for message in made.messages.all()}:
        Consent.objects.create(contact=contact, channel="sms", opted_in=True, how="Web form")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the list's form."""
    body = page[page.index('id="results"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body))


def chosen(client, campaign, **more):
    page = client.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()
    return form_of(page) | more


def test_a_preview_counts_what_is_selected_and_its_button_carries_the_number(marketer, campaign):
    page = marketer.post(
        "/batches/preview/", chosen(marketer, campaign, action="suppress", all="1", note="Asked")
    ).content

    assert b"Suppress the addresses of 3 messages" in page
    assert not Suppression.objects.exists()


def test_a_preview_of_very_many_says_how_many_it_looked_at(marketer, campaign, monkeypatch):
    monkeypatch.setattr("deliveries.bulk.previewing.PREVIEW_MOST", 2)

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="retry", all="1")).content

    words = " ".join(page.decode().split())
    assert "The first 2 of 3 messages were checked for this preview." in words
    assert "Retry up to 3 messages" in words


def test_all_matching_means_the_rows_of_that_moment(marketer, campaign):
    given = chosen(marketer, campaign, action="suppress", all="1", note="Asked")
    QueueEntry.objects.filter(message=campaign.messages.first()).update(
        at=timezone.now() + timedelta(minutes=5)
    )

    page = marketer.post("/batches/preview/", given).content

    assert b"Suppress the addresses of 2 messages" in page


def test_a_started_batch_is_recorded_with_each_row_and_can_be_undone(marketer, campaign):
    given = chosen(marketer, campaign, action="suppress", note="Asked by phone")
    given["messages"] = [str(pk) for pk in campaign.messages.values_list("pk", flat=True)[:2]]

    record = marketer.post("/batches/", given, follow=True).content.decode()
    batch = Batch.objects.get()
    undone = marketer.post(f"/batches/{batch.pk}/undo/", follow=True).content.decode()

    assert batch.created_by == marketer.user
    assert batch.acted == 2
    assert "Undo" in record
    assert "“Asked by phone”" in record
    assert not Suppression.objects.in_force(timezone.now()).exists()
    assert "2 released" in undone


@pytest.mark.parametrize(
    ("by_another", "words"), [(False, "Undone by you: 2"), (True, "Undone by Dana Okafor: 2")]
)
def test_an_undone_batch_names_who_undid_it(marketer, login, make_user, campaign, by_another, words):
    dana = login(user=make_user("marketer", first_name="Dana", last_name="Okafor"))
    given = chosen(marketer, campaign, action="suppress", note="Asked by phone")
    given["messages"] = [str(pk) for pk in campaign.messages.values_list("pk", flat=True)[:2]]
    marketer.post("/batches/", given)
    pk = Batch.objects.get().pk

    (dana if by_another else marketer).post(f"/batches/{pk}/undo/")

    assert f"{words} released." in marketer.get(f"/batches/{pk}/").content.decode()


@pytest.mark.parametrize("undo", [False, True])
def test_the_list_and_the_page_of_a_batch_count_the_same(marketer, campaign, undo):
    marketer.post("/batches/", chosen(marketer, campaign, action="suppress", all="1", note="Asked"))
    pk = Batch.objects.get().pk
    if undo:
        marketer.post(f"/batches/{pk}/undo/")

    listed = re.findall(r'data-label="([^"]+)">(\d+)</td>', marketer.get("/batches/").content.decode())
    page = marketer.get(f"/batches/{pk}/").content.decode()
    tabs = re.findall(r'"\?outcome=\w+">([^<]+) <span class="badge">(\d+)<', page)

    assert listed == tabs
    assert dict(tabs)["Undone" if undo else "Done"] == "3"
    assert sum(int(n) for _, n in tabs) == 3


def test_suppressing_without_a_reason_asks_for_it_and_does_nothing(marketer, campaign):
    page = marketer.post("/batches/", chosen(marketer, campaign, action="suppress", all="1"))

    assert page.status_code == 422
    assert b"Say why these addresses are suppressed." in page.content
    assert not Batch.objects.exists()


def test_moving_asks_for_the_channel_first(marketer, campaign):
    factories.content(campaign, "email")

    page = marketer.post(
        "/batches/preview/", chosen(marketer, campaign, action="switch", all="1")
    ).content.decode()

    assert "Choose a channel" in page
    assert ">Preview</button>" in page
    assert "<span>3 messages on SMS</span>" in page
    assert f"<span>{campaign.name}</span>" in page


def offered(page: str) -> list[str]:
    return re.findall(r'<option value="(\w+)"', page)


def test_only_channels_that_can_carry_the_messages_are_offered(marketer, campaign):
    factories.content(campaign, "email")
    factories.content(campaign, "voice")
    Account.objects.update(channels=["sms", "email"])

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="switch", all="1"))

    assert offered(page.content.decode()) == ["email"]
    assert (
        "Not offered: SMS (they were sent on it), MMS (no content), Voice (no account that sends on it), "
        "Ringless voicemail (no content)." in page.content.decode()
    )


def test_a_channel_that_only_some_campaigns_have_content_for_says_so(marketer, campaign):
    factories.content(campaign, "email")
    other = reporting_rows.campaign([1])
    given = {"action": "switch", "messages": [one.messages.first().pk for one in (campaign, other)]}

    page = marketer.post("/batches/preview/", given).content.decode()

    assert "Email, in 1 of 2 campaigns" in page


def test_without_any_other_channel_nothing_is_asked(marketer, campaign):
    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="switch", all="1"))

    assert "There is no channel to move to" in page.content.decode()
    assert offered(page.content.decode()) == []
    assert ">Preview</button>" not in page.content.decode()


def test_a_preview_names_campaigns_age_and_text(marketer, campaign):
    other = reporting_rows.campaign([1], name="Spring recall", at=timezone.now() - timedelta(days=9))
    messages = [*campaign.messages.order_by("pk")[:2], other.messages.get()]
    given = {"action": "retry", "messages": [message.pk for message in messages]}

    page = marketer.post("/batches/preview/", given).content.decode()

    assert f"2 campaigns: {campaign.name} (2), Spring recall (1)" in page
    assert "Oldest attempt 1\N{NO-BREAK SPACE}week ago" in page
    reader = min(messages, key=lambda one: one.pk).contact
    assert re.search(rf"SMS(</span>)? to {reader}</h2>", page)
    assert f"Hello {reader.first_name}, your appointment is tomorrow." in page
    assert "{first_name}" not in page


def test_a_preview_shows_the_text_only_to_those_who_would_be_written_to(marketer, campaign):
    arrived = reporting_rows.campaign([0], name="Spring recall")
    acting = campaign.messages.filter(reason_code="30003").order_by("pk")
    delivered = arrived.messages.get()

    both = marketer.post("/batches/preview/", {"action": "retry", "messages": [acting[0].pk, delivered.pk]})
    nobody = marketer.post("/batches/preview/", {"action": "retry", "messages": [delivered.pk]})

    assert re.findall(r'aria-label="Text by SMS, ([^"]*)"', both.content.decode()) == [campaign.name]
    assert "other text" not in both.content.decode()
    assert "Text by" not in nobody.content.decode()


def test_a_preview_calls_a_result_what_its_list_calls_it(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()

    page = marketer.post("/batches/preview/", {"action": "retry", "messages": [message.pk]}).content.decode()

    assert re.search(
        r'data-label="Status now">\s*<span class="pill" data-b="retryable">.*?Temporary failure',
        page,
        re.DOTALL,
    )


def test_the_sample_shows_skipped_rows_first_and_then_acting_ones(marketer, campaign):
    given = {"action": "retry", "messages": list(campaign.messages.values_list("pk", flat=True))}

    page = marketer.post("/batches/preview/", given).content.decode()

    results = re.findall(r'data-label="Result"><span[^>]*></span> ([\w ]+)(?:: ([^<]+))?<', page)
    assert results == [("Skipped", "already delivered meanwhile"), *[("Will be retried", "")] * 3]


def test_one_row_acts_at_once_and_offers_undo(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()
    given = chosen(marketer, campaign, one=f"retry:{message.pk}")

    page = marketer.post("/batches/preview/", given, follow=True)

    batch = Batch.objects.get()
    assert batch.selection == {"messages": [message.pk]}
    assert batch.acted == 1
    assert page.redirect_chain[-1][0] == f"/campaigns/{campaign.slug}/?queue=retry"
    assert f'action="/batches/{batch.pk}/undo/"' in page.content.decode()


def ticked(page: str) -> list[str]:
    return re.findall(r'name="messages" value="(\d+)"[^>]* checked', page)


@pytest.mark.parametrize("everything", ["", "1"])
def test_one_row_leaves_the_ticks_of_the_others_as_they_were(marketer, campaign, everything):
    first, second, third = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(
        marketer, campaign, one=f"retry:{first.pk}", messages=[first.pk, second.pk], all=everything
    )

    page = marketer.post("/batches/preview/", given, follow=True).content.decode()
    again = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert Batch.objects.get().selection == {"messages": [first.pk]}
    assert ticked(page) == [str(second.pk)]
    assert f'name="all" value="{everything}"' in page
    assert f'value="{third.pk}"' in page
    assert ticked(again) == []


def test_the_preview_and_its_way_back_leave_the_ticks_as_they_were(marketer, campaign):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, action="retry", messages=[first.pk, second.pk])

    marketer.post("/batches/preview/", given)
    page = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert sorted(ticked(page)) == sorted([str(first.pk), str(second.pk)])


def test_what_was_acted_on_is_ticked_no_more(marketer, campaign):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, action="retry", messages=[first.pk, second.pk])

    marketer.post("/batches/preview/", given)
    marketer.post("/batches/", given)
    page = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert Batch.objects.get().acted == 2
    assert ticked(page) == []


def test_undo_leaves_the_ticks_of_the_others_and_is_offered_while_it_is_certain(marketer, campaign):
    first, second, third = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, one=f"retry:{first.pk}", messages=[second.pk])
    said = marketer.post("/batches/preview/", given, follow=True).content.decode()
    back = f"/campaigns/{campaign.slug}/?queue=retry"

    undo = {"next": back, "messages": [second.pk, third.pk]}
    page = marketer.post(f"/batches/{Batch.objects.get().pk}/undo/", undo, follow=True).content.decode()

    assert f'data-toast="{actions.GRACE.seconds}"' in said
    assert "1 canceled" in page
    assert sorted(ticked(page)) == sorted([str(second.pk), str(third.pk)])


@pytest.mark.parametrize("leads_to", ["", "/batches/"])
def test_all_of_one_list_is_not_all_of_another(marketer, campaign, leads_to):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, one=f"retry:{first.pk}", messages=[first.pk, second.pk], all="1")

    marketer.post("/batches/preview/", given | {"next": leads_to}, follow=True)
    page = marketer.get("/queues/retry/").content.decode()

    assert f'value="{second.pk}"' in page
    assert ticked(page) == []
    assert 'name="all" value=""' in page


def test_ticks_that_cannot_be_read_are_left_out(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()
    given = chosen(marketer, campaign, one=f"retry:{message.pk}", messages=["x", "9" * 40])

    page = marketer.post("/batches/preview/", given, follow=True)

    assert page.status_code == 200
    assert ticked(page.content.decode()) == []


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({"action": "retry"}, "Retry 3 messages"),
        ({"action": "switch"}, "Switch 3 messages to another channel"),
        ({"action": "switch", "channel": "email"}, "Switch 3 messages to email"),
        ({"action": "switch", "channel": "sms"}, "Switch 3 messages to SMS"),
        ({"action": "switch", "channel": "voice"}, "Switch 3 messages to voice"),
        ({"action": "correct"}, "Mark the addresses of 3 messages for correction"),
        ({"action": "suppress", "note": "Asked"}, "Suppress the addresses of 3 messages"),
    ],
)
def test_the_title_of_every_act_is_a_sentence(marketer, campaign, given, title):
    page = marketer.post("/batches/preview/", chosen(marketer, campaign, all="1", **given)).content.decode()
    batch = Batch(action=given["action"], total=3, options={"channel": given.get("channel", "")})

    heading = " ".join(re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)[1].split())
    assert heading == f"{title}: preview"
    assert str(batch) == batch.title == title


@pytest.mark.parametrize(
    ("action", "title"),
    [
        ("retry", "Retry 1 message"),
        ("switch", "Switch 1 message to another channel"),
        ("correct", "Mark the address of 1 message for correction"),
        ("suppress", "Suppress the address of 1 message"),
    ],
)
def test_one_message_is_no_plural(action, title):
    assert Batch(action=action, total=1).title == title


def test_one_row_that_needs_a_reason_asks_first(marketer, campaign):
    message = campaign.messages.first()

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, one=f"suppress:{message.pk}"))

    assert b"Reason, in your words" in page.content
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "explode", "messages": "1"},
        {"action": "retry"},
        {"action": "retry", "messages": "x"},
        {"action": "retry", "messages": "9" * 40},
        {"action": "retry", "messages": "9" * 5_000},
        {"action": "retry", "all": "1"},
        {"action": "retry", "all": "1", "queue": "nowhere"},
        {"action": "retry", "all": "1", "queue": "retry", "filters": "channel=fax"},
        {"one": "retry:x"},
        {"one": "::::"},
    ],
)
@pytest.mark.parametrize("path", ["/batches/preview/", "/batches/"])
def test_a_selection_that_cannot_be_read_is_refused_in_words(marketer, path, given):
    response = marketer.post(path, given)

    assert response.status_code == 422
    assert b"Nothing was done" in response.content
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "away", ["https://example.com/", "//example.com/", "javascript:alert(1)", "/\\example.com"]
)
def test_nobody_is_sent_to_another_site_afterwards(marketer, campaign, away):
    message = campaign.messages.first()

    response = marketer.post("/batches/", chosen(marketer, campaign, one=f"retry:{message.pk}", next=away))

    assert response.status_code == 302
    assert re.fullmatch(r"/batches/\d+/", response["Location"])


def test_bulk_actions_so_far_are_listed(marketer, campaign):
    marketer.post("/batches/", chosen(marketer, campaign, action="correct", all="1"))

    page = marketer.get("/batches/").content.decode()

    assert "Mark the addresses of 3 messages for correction" in page
    assert marketer.user.display_name in page


def test_acting_is_by_post_only(marketer):
    assert marketer.get("/batches/1/undo/").status_code == 405


def test_the_address_of_a_preview_by_itself_leads_back_to_the_queues(marketer):
    response = marketer.get("/batches/preview/", follow=True)

    assert response.redirect_chain == [("/queues/", 302)]
    assert "Select messages first" in response.content.decode()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("correct", "on the channel that failed until somebody has corrected or confirmed them"),
        ("suppress", "other channels go on"),
    ],
)
def test_a_preview_says_what_it_means_for_the_people(marketer, campaign, action, says):
    ids = list(campaign.messages.values_list("pk", flat=True)[:1])

    page = marketer.post(
        "/batches/preview/", {"action": action, "messages": ids, "note": "x"}
    ).content.decode()

    assert says in page
    assert "Of these, later" not in page


@pytest.mark.parametrize(
    ("given", "leads_to"), [("/queues/retry/", "/queues/retry/"), ("//elsewhere.example/", None)]
)
def test_undo_leads_back_to_where_it_was_offered(marketer, campaign, given, leads_to):
    ids = [str(campaign.messages.values_list("pk", flat=True)[0])]
    marketer.post(
        "/batches/", chosen(marketer, campaign, action="suppress", note="Asked") | {"messages": ids}
    )
    batch = Batch.objects.get()

    response = marketer.post(f"/batches/{batch.pk}/undo/", {"next": given})

    assert response.url == (leads_to or f"/batches/{batch.pk}/")


# ---- Who may suppress, and where the reason stands -----------------------------------------------------------------


@pytest.fixture
def without_suppression(login):
    """Somebody who may act in bulk, and may suppress nobody."""
    client = login("marketer")
    group = client.user.groups.get()
    group.permissions.remove(group.permissions.get(codename="suppress_contact"))
    return client


@pytest.mark.parametrize("url", ["/batches/preview/", "/batches/"])
@pytest.mark.parametrize("how", ["ticked", "all", "one"])
def test_suppressing_in_bulk_asks_for_the_permission_to_suppress(without_suppression, campaign, url, how):
    first = str(campaign.messages.values_list("pk", flat=True)[0])
    given = chosen(without_suppression, campaign, action="suppress", note="Asked")
    given |= {"ticked": {"messages": [first]}, "all": {"all": "1"}, "one": {"one": f"suppress:{first}"}}[how]

    assert without_suppression.post(url, given).status_code == 403
    assert not Suppression.objects.exists()
    assert not Batch.objects.exists()


def test_lifting_a_suppression_by_undo_asks_for_it_too(without_suppression, login, campaign):
    colleague = login(user=factories.user("admin"))
    data = {"action": "suppress", "messages": [campaign.messages.first().pk], "note": "Asked"}
    colleague.post("/batches/", data)
    batch = Batch.objects.get()

    page = without_suppression.get(f"/batches/{batch.pk}/").content.decode()

    assert without_suppression.post(f"/batches/{batch.pk}/undo/").status_code == 403
    assert Suppression.objects.filter(released_at=None).exists()
    assert f"/batches/{batch.pk}/undo/" not in page


def test_who_may_not_suppress_finds_no_button_for_it(without_suppression, marketer, campaign):
    page = without_suppression.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert 'name="action" value="retry"' in page
    assert 'value="suppress"' not in page


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_the_reason_of_a_bulk_suppression_stands_where_people_look(login, campaign, role):
    message = campaign.messages.first()
    login("marketer").post(
        "/batches/",
        {"action": "suppress", "messages": [message.pk], "note": "Asked by phone, call 504 555 0181"},
    )
    reader = login(role)

    page = reader.get(f"/contacts/{message.contact_id}/").content.decode()

    assert page.count("Asked by phone") == 4  # banner, panel, suppression and bulk action on the trail
    assert ("504 555 0181" in page) is (role == "support" or role == "admin")


def test_the_page_of_the_batch_says_the_reason(marketer, campaign):
    ids = list(campaign.messages.values_list("pk", flat=True)[:1])
    marketer.post("/batches/", {"action": "suppress", "messages": ids, "note": "Asked by phone"})

    page = marketer.get(f"/batches/{Batch.objects.get().pk}/").content.decode()

    assert "Reason: “Asked by phone”" in page
