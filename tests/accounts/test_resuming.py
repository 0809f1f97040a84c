"""A form that arrives after its session has ended."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.resuming import KEY, LONGEST, WHO
from contacts.models import Contact, Note, Suppression
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db


def whose_session_ended(user) -> Client:
    """A browser in which `user` was logged in."""
    client = Client()
    client.force_login(user)
    client.get("/resume/")
    Session.objects.all().delete()
    return client


def log_in(client: Client, user, address: str) -> str:
    """The page that it leads to."""
    login = client.post(address, {"username": user.username, "password": factories.PASSWORD})
    return client.get(login["Location"]).content.decode()


def logged_out_then_in(user, path: str, data: dict) -> tuple[Client, str]:
    """Send `data` once the session of `user` has ended, then log in again: the client, and the page it was led to."""
    client = whose_session_ended(user)
    late = client.post(path, data)
    return client, log_in(client, user, late["Location"])


def test_what_was_typed_comes_back_after_the_log_in_and_is_sent_by_hand(make_user):
    contact = factories.contact()
    path, typed = f"/contacts/{contact.pk}/note/", {"text": "Called twice, <b>no</b> answer.\nTry Monday."}

    client, page = logged_out_then_in(make_user("support", is_staff=True), path, typed)

    assert "nothing was saved" in page
    assert "Called twice, &lt;b&gt;no&lt;/b&gt; answer." in page
    assert not Note.objects.exists()
    client.post(path, typed)
    assert Note.objects.get().text == typed["text"]
    assert KEY not in client.session


def test_a_selection_of_many_rows_survives(make_user):
    campaign = reporting_rows.campaign([1, 1, 1])
    ids = sorted(campaign.messages.values_list("pk", flat=True))

    _, page = logged_out_then_in(
        make_user("marketer", is_staff=True), "/batches/preview/", {"action": "retry", "messages": ids}
    )

    assert "3 chosen" in page
    assert [f'name="messages" value="{pk}"' in page for pk in ids] == [True] * 3
    assert 'action="/batches/preview/"' in page


def test_an_admin_form_survives_too(make_user):
    _, page = logged_out_then_in(
        make_user("admin", is_staff=True), "/admin/contacts/contact/add/", {"name": "Ada Example"}
    )

    assert "Ada Example" in page
    assert not Contact.objects.exists()


def test_a_campaigns_form_is_told_by_its_labels_and_what_was_chosen(make_user):
    chosen = [factories.contact_list(name="Spring fair"), factories.contact_list(name="Regulars")]
    playbook = factories.playbook(name="Two tries")
    form = {
        "_zone": "America/Chicago", "_save": "Save", "name": "Summer sale", "slug": "summer-sale", "goal": "exposure",
        "priority": "normal", "lists": [one.pk for one in chosen], "channel": "sms", "playbook": playbook.pk,
        "window_start": "09:00", "starts_at_0": "2026-12-01", "starts_at_1": "10:00",
        "contents-TOTAL_FORMS": "2", "contents-INITIAL_FORMS": "0", "contents-MIN_NUM_FORMS": "0",
        "contents-MAX_NUM_FORMS": "5", "contents-0-channel": "mms", "contents-0-body": "Hello", "contents-1-body": "",
    }  # fmt: skip

    _, page = logged_out_then_in(
        make_user("marketer", is_staff=True), "/admin/campaigns/campaign/add/?x=1", form
    )

    shown = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page)
    assert ("Lists", "Regulars, Spring fair") in shown or ("Lists", "Spring fair, Regulars") in shown
    assert ("Playbook", "Two tries") in shown
    assert ("Starts at", "2026-12-01 10:00 (America/Chicago)") in shown
    assert {label for label, _ in shown if "Content" in label} == {"Content: Channel", "Content: Body"}
    assert not [label for label, _ in shown if "forms" in label.lower() or label in ("Zone", "Save")]
    assert "<h1>Not saved yet </h1>" in page
    assert "New campaign</h2>" in page
    assert "Save it now</button>" in page
    assert "Send it now" not in page
    assert 'name="contents-TOTAL_FORMS" value="2"' in page  # what is sent is the whole of it


def test_a_record_that_was_edited_is_named(make_user):
    campaign = factories.campaign(name="Winter sale", state="draft")
    content = factories.content(campaign, "sms", body="Old")
    form = {
        "name": "Winter sale, last call", "contents-TOTAL_FORMS": "1", "contents-INITIAL_FORMS": "1",
        "contents-0-id": content.pk, "contents-0-channel": "sms", "contents-0-body": "New",
    }  # fmt: skip

    _, page = logged_out_then_in(
        make_user("marketer", is_staff=True), f"/admin/campaigns/campaign/{campaign.pk}/change/", form
    )

    assert "Campaign: Winter sale</h2>" in page
    assert ("Name", "Winter sale, last call") in re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page)
    assert ("Content: Body", "New") in re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page)


def test_what_an_id_stands_for_is_told_to_nobody_who_may_not_see_the_form(make_user):
    held = factories.contact_list(name="Secret plans")

    _, page = logged_out_then_in(
        make_user("support", is_staff=True), "/admin/campaigns/campaign/add/", {"lists": held.pk}
    )

    assert "Secret plans" not in page
    assert "Save it now" not in page


@pytest.mark.parametrize("role", ["admin", ""])
@pytest.mark.parametrize(
    "path",
    [
        "/admin/contacts/contact/999/change/",
        "/admin/contacts/contact/x/change/",
        "/nowhere/",
        "/admin/contacts/contact/",
    ],
)
def test_a_form_whose_page_is_gone_shows_what_was_typed(make_user, path, role):
    client, user = Client(), make_user(role, is_staff=True)
    client.force_login(user)
    session = client.session
    session[KEY] = {
        "user": str(user.pk),
        "path": path,
        "fields": [["name", "Ada"], ["addresses-TOTAL_FORMS", "x"]],
    }
    session.save()

    page = client.get("/resume/").content.decode()

    assert "Ada" in page
    assert "TOTAL_FORMS</dt>" not in page


@pytest.mark.parametrize(
    ("path", "about"),
    [("/contacts/1/note/", "Contacts: note"), ("/batches/preview/", "Messages: preview")],
)
def test_another_form_says_what_it_is_of_without_what_the_page_added(make_user, path, about):
    given = {"text": "Called twice", "next": "/queues/correct/", "shown": "abc", "filters": "{}"}

    _, page = logged_out_then_in(make_user("support", is_staff=True), path, given)

    assert re.findall(r"<dt>([A-Z].*?)</dt>", page) == ["Text"]
    assert f"{about}</h2>" in page
    assert "Submit it now</button>" in page


@pytest.mark.parametrize(
    ("state", "body", "says", "button"),
    [
        ("draft", "New", "in its section What, is kept below and not saved yet", "Save it now"),
        ("draft", "Old", "nothing is lost: what you typed is saved", "Back to its page"),
        ("sending", "New", "was launched meanwhile", "Back to its page"),
    ],
)
def test_what_was_typed_into_the_composer_says_what_of_it_is_kept_and_where_it_goes(
    make_user, state, body, says, button
):
    campaign = factories.campaign(name="Winter sale", state=state)
    content = factories.content(campaign, "sms", body="Old")
    given = {"what-sms_body": body, "what-channel": "sms", "what-sms_sender": content.sender_id, "edited": 0}
    given |= {"what-track_links": "on"} if campaign.track_links else {}

    _, page = logged_out_then_in(
        make_user("marketer", is_staff=True), f"/campaigns/{campaign.slug}/edit/what/", given
    )

    assert "Winter sale: What</h2>" in page
    assert says in page
    assert button in page
    lines = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page)
    if state == "draft":
        assert [one for one in lines if "<kbd>" not in one[0]] == ([("Text", "New")] if body == "New" else [])


def test_what_was_typed_into_the_composer_is_told_to_nobody_who_may_not_open_it(make_user):
    campaign = factories.campaign(name="Secret plans")

    _, page = logged_out_then_in(
        make_user("support", is_staff=True), f"/campaigns/{campaign.slug}/edit/what/", {"what-channel": "sms"}
    )

    assert "Secret plans" not in page


def test_it_is_thrown_away_on_request(make_user):
    contact = factories.contact()
    client, _ = logged_out_then_in(
        make_user("support", is_staff=True), f"/contacts/{contact.pk}/note/", {"text": "x"}
    )

    client.post("/resume/")

    assert KEY not in client.session
    assert client.get("/resume/").status_code == 302


@pytest.mark.parametrize(
    "data",
    [
        {"password": "hunter2"},
        {"credentials_auth_token": "x"},
        {"new_secret": "x"},
        {"text": "x" * (LONGEST + 1)},
    ],
)
def test_secrets_and_floods_are_not_kept(make_user, data):
    client = whose_session_ended(make_user("support"))

    answer = client.post("/batches/preview/", data)

    assert answer["Location"].startswith("/admin/login/?next=/batches/preview/")
    assert not Session.objects.exists()


def test_a_log_in_that_fails_and_a_page_that_was_only_looked_at_keep_nothing():
    client = Client()

    client.get("/contacts/")
    client.post("/admin/login/", {"username": "nobody", "password": "wrong"})

    assert not Session.objects.exists()


def test_whoever_lacks_the_right_cannot_do_it_after_the_log_in_either(make_user):
    contact = factories.contact()
    path, typed = f"/contacts/{contact.pk}/suppress/", {"what": "contact", "channel": "", "reason": "Asked"}
    client, _ = logged_out_then_in(make_user("", is_staff=True), path, typed)

    assert client.post(path, typed).status_code == 403
    assert not Suppression.objects.exists()


def test_a_colleague_who_logs_in_instead_does_not_read_it(make_user):
    contact = factories.contact()
    client = whose_session_ended(make_user("admin", is_staff=True))
    late = client.post(f"/contacts/{contact.pk}/note/", {"text": "Call her at +1 202 555 0143"})

    page = log_in(client, make_user("support", is_staff=True), late["Location"])

    assert "0143" not in page
    assert KEY not in client.session


@pytest.mark.parametrize("cookie", ["", "1", "1:forged"])
def test_of_a_browser_in_which_nobody_was_logged_in_nothing_is_kept(cookie):
    client = Client()
    if cookie:
        client.cookies[WHO] = cookie

    answer = client.post("/batches/preview/", {"action": "retry"})

    assert answer["Location"].startswith("/admin/login/?next=/batches/preview/")
    assert not Session.objects.exists()


def test_a_form_that_a_script_saves_as_somebody_types_survives_where_it_says_so(make_user):
    user = make_user("marketer", is_staff=True)
    campaign = factories.campaign()
    factories.content(campaign, "sms")
    path, typed = f"/campaigns/{campaign.slug}/edit/what/", {"what-sms_body": "Half a sent", "edited": "0"}

    for keeps in (True, False):
        client = whose_session_ended(user)
        late = client.post(path, typed | ({"_keep": "1"} if keeps else {}), HTTP_HX_REQUEST="true")
        page = log_in(client, user, late["HX-Redirect"])

        assert late.status_code == 204
        assert ("Half a sent" in page) == keeps
