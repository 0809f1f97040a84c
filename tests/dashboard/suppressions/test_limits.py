"""The page that says how many failures suppress an address, and changing it."""

from __future__ import annotations

import pytest

from contacts.models import Suppression
from deliveries.meaning.failure_limits import BlockLimit, load_limits
from deliveries.models import FailureLimit, SuppressionEvidence
from tests import factories

pytestmark = pytest.mark.django_db
CODE = {
    "table": "twilio",
    "channel": "sms",
    "code": "30005",
    "failures": "2",
    "pause_days": "14",
    "note": "Relabelled",
}


@pytest.mark.parametrize(("role", "changes"), [("admin", True), ("marketer", False), ("support", False)])
def test_everybody_reads_it_and_administrators_change_it(login, role, changes):
    client = login(role)

    page = client.get("/suppressions/automatic/")

    assert page.status_code == 200
    assert "Suresend" in page.content.decode()
    assert ("automatic/number/" in page.content.decode()) is changes
    for path in ("number/", "code/"):
        assert client.get(f"/suppressions/automatic/{path}").status_code == (200 if changes else 403)
        assert client.post(f"/suppressions/automatic/{path}", CODE).status_code in (
            (302,) if changes else (403,)
        )
    assert FailureLimit.objects.exists() is changes


def test_a_change_counts_and_stays_on_record(login):
    client = login("admin")

    client.post("/suppressions/automatic/number/", {"failures": "2", "pause_days": "7", "note": "Too hasty"})

    assert load_limits().kinds["number"] == BlockLimit(2, 7)
    page = client.get("/suppressions/automatic/").content.decode()
    assert "After 2 in a row, for 7 days" in page
    assert "Too hasty" in page

    again = {"failures": "2", "pause_days": "7", "note": "After all", "default": ""}
    client.post("/suppressions/automatic/number/", again)
    assert load_limits().kinds["number"] == BlockLimit(1, 0)
    assert FailureLimit.objects.count() == 2


def test_of_what_the_playbook_counts_only_the_pause_is_changed(login):
    client = login("admin")
    assert 'name="failures"' not in client.get("/suppressions/automatic/other/").content.decode()

    client.post("/suppressions/automatic/other/", {"failures": "9", "pause_days": "60", "note": "Longer"})

    assert load_limits().kinds["other"] == BlockLimit(0, 60)


def test_a_code_gets_a_number_of_its_own_and_loses_it(login):
    client = login("admin")

    client.post("/suppressions/automatic/code/", CODE)

    assert load_limits().of("twilio", "mms", "30005", "number") == BlockLimit(2, 14)
    page = client.get("/suppressions/automatic/").content.decode()
    assert "?table=twilio&amp;channel=sms&amp;code=30005" in page
    client.post("/suppressions/automatic/code/", {**CODE, "default": ""})
    assert load_limits().codes == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"code": "99999"}, "No such code in that table"),
        ({"code": "30003"}, "no permanent failure of the recipient"),
        ({"code": "30007"}, "no permanent failure of the recipient"),
        ({"table": "nobody"}, "Select a valid choice"),
        ({"failures": "0"}, "greater than or equal to 1"),
        ({"failures": "51"}, "less than or equal to 50"),
        ({"failures": "many"}, "whole number"),
        ({"pause_days": "-1"}, "greater than or equal to 0"),
        ({"note": ""}, "required"),
        ({"code": "\x00"}, "Null characters"),
    ],
)
def test_what_cannot_be_is_refused_in_words(login, wrong, words):
    answer = login("admin").post("/suppressions/automatic/code/", CODE | wrong)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not FailureLimit.objects.exists()


def test_a_kind_that_is_none_is_not_found(login):
    assert login("admin").get("/suppressions/automatic/nothing/").status_code == 404


# ---- The evidence of a suppression ------------------------------------------------------------------------------


@pytest.fixture
def block():
    message = factories.message(reason_code="30005", account=factories.account("twilio"))
    made = Suppression.objects.create(
        value=message.address.value, channel="sms", reason="hard_fails", origin="rule", contact=message.contact,
        evidence="Permanent failure; the last: 30005",
    )  # fmt: skip
    SuppressionEvidence.objects.create(
        suppression=made, message=message, code="30005", status="undelivered", certainty="number",
        failed_at=message.settled_at,
    )  # fmt: skip
    return made


@pytest.mark.parametrize("look_up", [True, False], ids=["look-up", "its page"])
def test_its_evidence_is_named_with_messages_codes_and_dates(login, block, look_up):
    client = login("support")

    if look_up:
        page = client.post("/suppressions/lookup/", {"address": block.value, "_zone": "UTC"}).content.decode()
    else:
        page = client.get(f"/suppressions/{block.pk}/").content.decode()

    evidence = SuppressionEvidence.objects.get()
    assert f'href="/deliveries/{evidence.message_id}/"' in page
    assert ">30005</code>" in page
    assert "Number is not known to any network" in page


def test_many_suppressions_of_an_address_ask_no_more_queries(login, block, django_assert_max_num_queries):
    client = login("support")
    client.get(f"/suppressions/{block.pk}/")
    with django_assert_max_num_queries(60) as one:
        client.get(f"/suppressions/{block.pk}/")
    for number in range(5):
        more = Suppression.objects.create(
            value=block.value, channel="sms", reason="hard_fails", origin="rule", fact=f"message {number}"
        )
        SuppressionEvidence.objects.create(
            suppression=more, message_id=SuppressionEvidence.objects.earliest("pk").message_id,
            status="failed", certainty="other",
        )  # fmt: skip

    with django_assert_max_num_queries(len(one)):
        client.get(f"/suppressions/{block.pk}/")
