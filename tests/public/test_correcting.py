"""Correcting one's own number or email: a code to the new address, what it changes, and what nobody can find out."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError

from contacts import changing
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.models import Address, AddressChange, AnswerWording, AutomaticAnswer, Consent, Note, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.erasing import erase_person
from deliveries.models import Outbox
from deliveries.outcomes.person_data import person_data
from deliveries.providers import PROVIDERS
from deliveries.sending import answering
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.engine import Fake, consent, sending, waiting
from tests.public.test_choosing import Reader

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NEW_NUMBER, NEW_EMAIL = "+12125550177", "robin.new@example.com"


class Corrector(Reader):
    """Somebody who got a mail, and corrects their address on the page behind its link."""

    def __init__(self, now, carrier, *channels):
        super().__init__(now, *channels)
        self.carrier = carrier
        factories.sender("sms")

    def posts(self, query, **given):
        with time_machine.travel(self.now, tick=False):
            return self.client.post(f"{self.path}?{query}", given)

    def asks(self, typed):
        """The code that was sent; '' for none."""
        before = len(self.carrier.sent)
        self.answer = self.posts("correct", address=typed)
        answering.run(self.now)
        self.message_sent = next(iter(self.carrier.sent[before:]), None)
        return re.search(r"\d{6}", self.message_sent.body)[0] if self.message_sent else ""

    def enters(self, code):
        """Whether it was the right one."""
        self.answer = self.posts("correct=code", code=code)
        return self.answer.status_code == 302


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def robin(now, carrier):
    return Corrector(now, carrier)


# ---- From the link to the new address --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("phone", "(212) 555-0177", NEW_NUMBER),
        ("phone", NEW_NUMBER, NEW_NUMBER),
        ("email", " Robin.New@Example.com", NEW_EMAIL),
    ],
)
def test_a_code_sent_there_makes_it_theirs(robin, kind, typed, value):
    old = robin.address(kind)

    code = robin.asks(typed)

    assert (robin.answer.status_code, robin.answer["Location"]) == (302, "?correct=code")
    assert robin.message_sent.to == value
    assert robin.message_sent.channel == ("sms" if kind == "phone" else "email")
    assert robin.address(kind) == old
    assert robin.enters(code)
    new = robin.address(kind)
    assert (new.value, new.validity) == (value, "valid")
    old.refresh_from_db()
    assert (old.preferred, old.validity) == (False, "invalid")
    assert "changed from" in Note.objects.get(contact=robin.contact).text
    assert "It is corrected" in robin.client.get(f"{robin.path}?correct=done").content.decode()


@pytest.mark.parametrize(("typed", "leads_on"), [(NEW_NUMBER, True), (NEW_EMAIL, False)])
def test_from_there_the_same_link_leads_on_while_it_speaks_for_them(robin, typed, leads_on):
    robin.enters(robin.asks(typed))

    done = robin.client.get(f"{robin.path}?correct=done").content.decode()

    assert ('href="?choices"' in done) == leads_on
    assert ("open the link in the next email" in done) != leads_on
    assert robin.client.get(f"{robin.path}?choices").status_code == (200 if leads_on else 404)


def test_consent_goes_along_as_their_own_act_with_its_evidence(robin):
    robin.enters(robin.asks(NEW_NUMBER))

    made = Consent.objects.filter(contact=robin.contact, evidence__contains="code sent to")
    assert set(made.values_list("channel", "opted_in")) == {
        (one, True) for one in ("sms", "mms", "voice", "rvm")
    }
    row = made.first()
    assert (row.origin, row.how, row.wording) == ("recipient", "Preference page", changing.WORDING)
    assert row.evidence == (
        f"Link in message {robin.message.pk}, entered on the page; confirmed by a code sent to +1 ••• ••• 0177"
    )
    assert robin.gets == ["sms", "mms", "voice", "rvm", "email"]


def test_what_waits_for_the_old_one_does_not_go_there(robin):
    text = waiting(
        sending("sms"), factories.account(), robin.now, robin.contact, address=robin.address("phone")
    )

    robin.enters(robin.asks(NEW_NUMBER))

    fake = Fake()
    dispatch(robin.now + MINUTE, fake)
    text.refresh_from_db()
    assert fake.left == []
    assert not Outbox.objects.filter(message=text).exists()


def test_the_code_stands_nowhere(robin):
    code = robin.asks(NEW_NUMBER)

    rows = [*AddressChange.objects.values(), *AutomaticAnswer.objects.values()]
    assert code not in str(rows)
    assert len(AddressChange.objects.get().code_hash) == 64


def test_the_text_is_that_of_the_sender_in_the_persons_language(robin, now):
    robin.contact.locale = "de-AT"
    robin.contact.save()
    AnswerWording.objects.create(code_text="Any {code}")
    AnswerWording.objects.create(language="de", code_text="Ihr Code ist {code}.")

    code = robin.asks(NEW_EMAIL)

    assert robin.message_sent.body == f"Ihr Code ist {code}."
    assert robin.message_sent.sender == robin.message.sender.value


def test_a_text_without_its_code_is_refused():
    with pytest.raises(ValidationError, match="where the code is to stand"):
        AnswerWording(code_text="Welcome").full_clean()


# ---- Codes -----------------------------------------------------------------------------------------------------


def test_after_a_quarter_of_an_hour_it_is_no_longer_valid(robin):
    code = robin.asks(NEW_NUMBER)

    robin.now += changing.HOLDS + timedelta(seconds=1)

    assert not robin.enters(code)
    assert "no longer valid" in robin.answer.content.decode()
    assert robin.address("phone").value != NEW_NUMBER


def test_until_then_it_is(robin):
    code = robin.asks(NEW_NUMBER)
    robin.now += changing.HOLDS

    assert robin.enters(f" {code[:3]} {code[3:]} ")


def test_after_too_many_wrong_ones_the_right_one_is_worth_nothing(robin):
    code = robin.asks(NEW_NUMBER)
    wrong = "000000" if code != "000000" else "111111"
    pages = set()
    for _ in range(changing.TRIES):
        assert not robin.enters(wrong)
        pages.add(robin.answer.content)

    assert not robin.enters(code)

    assert len(pages | {robin.answer.content.replace(code.encode(), wrong.encode())}) == 1


def test_a_new_code_ends_the_one_before(robin):
    first = robin.asks(NEW_NUMBER)
    second = robin.asks(NEW_EMAIL)

    assert not robin.enters(first) or first == second
    assert robin.enters(second)


def test_it_counts_once(robin):
    code = robin.asks(NEW_NUMBER)
    assert robin.enters(code)

    assert not robin.enters(code)
    assert Note.objects.filter(contact=robin.contact).count() == 1


def test_the_code_of_another_person_is_worth_nothing(robin, now, carrier):
    other = Corrector(now, carrier)
    code = robin.asks(NEW_NUMBER)
    other.asks(NEW_EMAIL)

    assert not other.enters(code) or code == other.asks(NEW_EMAIL)


def test_before_a_code_was_asked_for_none_is_right(robin):
    assert not robin.enters("")
    assert not robin.enters("000000")


# ---- Limits ----------------------------------------------------------------------------------------------------


def test_a_person_has_five_codes_a_day(robin):
    for n in range(changing.MOST_FOR_A_PERSON):
        assert robin.asks(f"robin{n}@example.com")

    assert not robin.asks("robin9@example.com")
    assert "Try again tomorrow" in robin.answer.content.decode()
    assert robin.answer.status_code == 422

    robin.now += timedelta(days=1, seconds=1)
    assert robin.asks("robin9@example.com")


def test_an_address_gets_three_a_day_whoever_asks_and_nobody_learns_of_it(robin, now, carrier):
    others = [Corrector(now, carrier) for _ in range(3)]
    assert all(each.asks(NEW_NUMBER) for each in others)

    assert not robin.asks("212 555 0177")

    assert robin.answer["Location"] == others[0].answer["Location"]
    assert AutomaticAnswer.objects.latest("pk").why == changing.TOO_OFTEN


# ---- Whoever has the new address already -----------------------------------------------------------------------


def test_the_answer_is_the_same_whoever_has_it(robin, now):
    known, stopped, held = (factories.phone(value=f"+1212555017{n}") for n in range(3))
    record_opt_out(value=stopped.value, channel="sms", how="Reply", evidence="STOP", at=now)
    suppress(value=held.value, reason="staff", origin="staff", evidence="x", now=now)
    answers = []
    for one in (NEW_NUMBER, known.value, stopped.value, held.value):
        robin.asks(one)
        page = robin.client.get(f"{robin.path}?correct=code")
        answers.append(
            (robin.answer.status_code, robin.answer["Location"], robin.answer.content, page.content)
        )

    assert len(set(answers)) == 1


@pytest.mark.parametrize("how", ["reply", "person", "staff", "ledger", "complaint"])
def test_whoever_is_blocked_gets_no_code(robin, now, how):
    theirs = factories.email()
    if how == "reply":
        record_opt_out(value=theirs.value, channel="email", how="Reply", evidence="unsubscribe", at=now)
    elif how == "person":
        record_request(contact=theirs.contact, evidence="Called", by=None, now=now)
    elif how == "staff":
        suppress(value=theirs.value, reason="staff", origin="staff", evidence="x", now=now)
    elif how == "ledger":
        consent(theirs.contact, "email", at=now, opted_in=False)
    else:
        record_opt_out(value=theirs.value, channel="email", how="", evidence="", at=now, reason="complaint")

    assert not robin.asks(theirs.value.upper())

    assert robin.carrier.sent == []
    assert AutomaticAnswer.objects.get().state == "dropped"


def test_an_address_of_another_is_shared_and_stays_theirs(robin, now):
    theirs = factories.email()

    assert robin.enters(robin.asks(theirs.value))

    theirs.refresh_from_db()
    assert theirs.preferred
    assert robin.address("email").value == theirs.value
    assert not latest_consents([theirs.contact_id])


def test_blocked_meanwhile_it_stays_blocked(robin):
    code = robin.asks(NEW_EMAIL)
    suppress(value=NEW_EMAIL, reason="legal", origin="staff", evidence="x", now=robin.now)

    assert robin.enters(code)

    assert "email" not in robin.gets
    assert Suppression.objects.in_force(robin.now).filter(value=NEW_EMAIL, reason="legal").exists()


def test_what_blocks_the_old_one_stays_there(robin):
    old = robin.address("phone")
    suppress(value=old.value, reason="hard_fails", origin="rule", evidence="x", now=robin.now)

    robin.enters(robin.asks(NEW_NUMBER))

    assert Suppression.objects.in_force(robin.now).get().value == old.value
    assert "sms" in robin.gets


@pytest.mark.parametrize("how", ["reply", "page"])
def test_a_no_of_their_own_goes_along_and_no_yes_is_made(robin, how):
    if how == "reply":
        record_opt_out(
            value=robin.address("phone").value, channel="sms", how="Reply", evidence="STOP", at=robin.now
        )
    else:
        robin.presses("off sms")
    before = Consent.objects.filter(channel="sms").count()

    assert robin.enters(robin.asks(NEW_NUMBER))

    assert robin.address("phone").value == NEW_NUMBER
    assert "sms" not in robin.gets
    assert Consent.objects.filter(channel="sms").count() == before


# ---- The page --------------------------------------------------------------------------------------------------


def test_the_choices_lead_to_it(robin):
    assert 'href="?correct"' in robin.page
    page = robin.client.get(f"{robin.path}?correct").content.decode()
    assert "Your right number or email" in page
    assert "<script" not in page
    assert not robin.client.cookies


@pytest.mark.parametrize(
    "typed", ["", "x", "12", "@", "a@b", "+1 212 555", "é" * 300, "\x00", "555 0177 or so"]
)
def test_what_is_no_address_is_named_and_nothing_is_sent(robin, typed):
    assert not robin.asks(typed)

    assert robin.answer.status_code == 422
    assert 'href="#id_address"' in robin.answer.content.decode()
    assert not AddressChange.objects.exists()


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "x" * 30, "\x00", "١٢٣٤٥٦"])
def test_what_is_no_code_is_named(robin, typed):
    robin.asks(NEW_NUMBER)

    assert not robin.enters(typed)
    assert robin.answer.status_code == 422
    assert 'href="#id_code"' in robin.answer.content.decode()


def test_opening_it_changes_nothing(robin):
    for query in ("correct", "correct=code", "correct=done", "correct=x"):
        assert robin.client.get(f"{robin.path}?{query}").status_code == 200
    assert not AddressChange.objects.exists()


def test_a_link_to_an_address_that_was_replaced_corrects_nothing(robin, client):
    Address.objects.filter(pk=robin.message.address_id).update(preferred=False)

    answers = [
        robin.posts("correct", address=NEW_NUMBER),
        client.post("/u/AAAA?correct", {"address": NEW_NUMBER}),
    ]

    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1


def test_without_any_sender_of_texts_the_page_says_so(robin):
    robin.message.account.__class__.objects.update(channels=["email"])

    assert not robin.asks(NEW_NUMBER)
    assert "cannot send a code there" in robin.answer.content.decode()


# ---- What else knows of it -------------------------------------------------------------------------------------


def test_it_is_among_the_data_of_the_person_and_goes_with_them(robin, make_user):
    robin.asks(NEW_NUMBER)
    assert person_data(robin.contact)["address_changes"][0]["value"] == NEW_NUMBER

    erase_person(robin.contact.pk, by=make_user("admin"), reason="Asked", now=robin.now)

    assert not AddressChange.objects.exists()
    assert NEW_NUMBER not in str(list(AutomaticAnswer.objects.values()))


def test_their_own_yes_at_the_new_number_is_one(robin):
    record_opt_out(
        value=robin.address("phone").value, channel="sms", how="Reply", evidence="STOP", at=robin.now
    )
    robin.enters(robin.asks(NEW_NUMBER))

    record_opt_in(value=NEW_NUMBER, channel="sms", how="Reply", evidence="START", at=robin.now + MINUTE)

    robin.now += 2 * MINUTE
    assert "sms" in robin.gets
