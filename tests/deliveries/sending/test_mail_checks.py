"""What the DNS says of a From address: in words, with what to add, and kept as the sender's registrations."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import dns.flags
import dns.message
import dns.rrset
import pytest

from campaigns.models import Registration
from deliveries.meaning.mail_dns import NoAnswer, examine
from deliveries.models import DomainCheck
from deliveries.sending import mail_checks
from tests import factories

GOOD = {
    "example.com": ["v=spf1 include:sendgrid.net ~all", "google-site-verification=x"],
    "s1._domainkey.example.com": ["v=DKIM1; k=rsa; p=MIGf MA0G"],
    "_dmarc.example.com": ["v=DMARC1; p=quarantine; adkim=s"],
}


class FakeDns:
    """Names and their TXT records; None: the DNS does not answer."""

    def __init__(self, records, mx=("mx.example.com",)):
        self.records, self.servers = records, list(mx)

    def txt(self, name):
        found = self.records.get(name, [])
        if found is None:
            raise NoAnswer("it took too long.")
        return found

    def mx(self, name):
        return self.servers


def look(records, domain="example.com", slugs=("sendgrid",), selectors=(), **more):
    found = examine(domain, slugs, list(selectors), FakeDns(records, **more))
    return {one.what: one for one in found}


def test_a_domain_with_everything_is_in_order():
    found = look(GOOD)

    assert {what: one.state for what, one in found.items()} == dict.fromkeys(
        ("spf", "dkim", "dmarc", "mx"), "ok"
    )
    assert "goes to spam" in found["dmarc"].says
    assert "exactly the From domain" in found["dmarc"].says


def test_a_domain_with_nothing_is_told_what_to_add():
    found = look({}, mx=())

    assert {what: one.state for what, one in found.items()} == {
        "spf": "missing",
        "dkim": "missing",
        "dmarc": "missing",
        "mx": "weak",
    }
    assert (found["spf"].name, found["spf"].record) == ("example.com", "v=spf1 include:sendgrid.net ~all")
    assert found["dkim"].name == "s1._domainkey.example.com"
    assert found["dmarc"].record == "v=DMARC1; p=none; rua=mailto:dmarc@example.com"


@pytest.mark.parametrize(
    ("slugs", "state"),
    [(["postmark"], "ok"), (["postmark", "sendgrid"], "missing"), (["postmark", "of our own"], "missing")],
)
def test_spf_is_not_asked_for_where_the_bounce_address_of_every_provider_carries_it(slugs, state):
    assert look({}, slugs=slugs)["spf"].state == state


@pytest.mark.parametrize(
    ("what", "records", "state", "record"),
    [
        ("spf", {"example.com": ["v=spf1 mx -all"]}, "weak", "v=spf1 mx include:sendgrid.net -all"),
        ("spf", {"example.com": ["v=spf1 +all"]}, "wrong", "v=spf1 ~all"),
        (
            "spf",
            {"example.com": ["v=spf1 mx -all", "v=spf1 a ~all"]},
            "wrong",
            "v=spf1 mx a include:sendgrid.net ~all",
        ),
        ("spf", {"example.com": ["v=spf10 mx"]}, "missing", "v=spf1 include:sendgrid.net ~all"),
        ("spf", {"example.com": None}, "unknown", ""),
        ("dkim", {"s2._domainkey.example.com": ["v=DKIM1; p="]}, "wrong", ""),
        ("dkim", {"s2._domainkey.example.com": ["p=MIGf"]}, "ok", ""),
        ("dmarc", {"_dmarc.example.com": ["v=DMARC1; p=maybe"]}, "wrong", None),
        ("dmarc", {"_dmarc.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "wrong", ""),
    ],
)
def test_what_is_wrong_is_said_with_the_record_that_would_be_right(what, records, state, record):
    found = look(records)[what]

    assert found.state == state
    assert found.says
    assert record is None or found.record == record


def test_the_policy_of_the_domain_above_counts_and_selectors_that_were_entered_are_asked_for():
    records = {"_dmarc.example.com": ["v=DMARC1; p=reject"], "k9._domainkey.mail.example.com": ["p=AAAA"]}

    found = look(records, domain="mail.example.com", slugs=(), selectors=["k9"])

    assert (found["dmarc"].state, found["dkim"].state) == ("ok", "ok")
    assert look({}, slugs=())["dkim"].state == "unknown"


@pytest.mark.django_db
def test_what_is_found_is_kept_with_its_history_and_looked_at_again_after_a_day(now):
    sender = factories.sender("email", value="hello@example.com", state="not_needed")
    factories.account("sendgrid", channels=["email"]).senders.add(sender)
    mail_checks.ask(sender, now)

    done = mail_checks.run(now, FakeDns(GOOD)), mail_checks.run(now, FakeDns(GOOD))
    DomainCheck.objects.update(checked_at=now)
    broken = {**GOOD, "_dmarc.example.com": [], "example.com": None}
    again = mail_checks.run(now + timedelta(days=1, minutes=1), FakeDns(broken))

    states = dict(sender.registrations.values_list("kind", "state"))
    assert (done, again) == ((1, 0), 1)
    assert states == {"spf": "approved", "dkim": "approved", "dmarc": "needed"}  # no answer changes nothing
    assert mail_checks.states(sender.pk)["spf"] == "unknown"
    assert sender.registration_changes.filter(registration__kind=Registration.Kind.DMARC).count() == 2
    sender.refresh_from_db()
    assert sender.state == "not_needed"


@pytest.fixture
def name_server():
    """A DNS server on this machine; names that begin with "silent" get no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(0.2)
        ends = threading.Event()

        def serve():
            while not ends.is_set():
                try:
                    asked, whose = ear.recvfrom(4096)
                except TimeoutError:
                    continue
                query = dns.message.from_wire(asked)
                name = query.question[0].name.to_text()
                if name.startswith("silent"):
                    continue
                answer = dns.message.make_response(query)
                answer.flags |= dns.flags.RA
                if name == "example.com.":
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"v=spf1 " "mx ~all"'))
                else:
                    answer.set_rcode(dns.rcode.NXDOMAIN if name.startswith("no") else dns.rcode.SERVFAIL)
                ear.sendto(answer.to_wire(), whose)

        thread = threading.Thread(target=serve)
        thread.start()
        yield ear.getsockname()[1]
        ends.set()
        thread.join()


def test_a_name_server_is_asked_and_its_silence_ends(name_server, monkeypatch):
    monkeypatch.setattr(mail_checks, "LOOKUP_SECONDS", 0.3)
    asked = mail_checks.Dns(["127.0.0.1"], name_server)

    assert asked.txt("example.com") == ["v=spf1 mx ~all"]
    assert asked.txt("none.example.com") == []
    for name in ("silent.example.com", "broken.example.com"):
        with pytest.raises(NoAnswer):
            asked.txt(name)
    with pytest.raises(NoAnswer):
        mail_checks.Dns(["127.0.0.1"], name_server, seconds=0).txt("example.com")
