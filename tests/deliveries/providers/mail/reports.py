"""Reports of returned mail, as tests write them, and what we make of them."""

from deliveries.meaning.translation import shipped
from deliveries.providers.facts import Call, Report
from deliveries.providers.smtp import Smtp

SMTP = Smtp()


def meaning(code, mailbox="", status="failed"):
    report = Report("", "", "email", status, code, mailbox=mailbox)
    found = shipped().translate("smtp", report).meaning
    return found.failure_class, found.fault


def come_of(body):
    """What a returned mail says: (status, class, fault, address) of each recipient."""
    found = SMTP.parse("dsn", Call("MAIL", "", "", {}, body.encode()))
    answers = []
    for fact in found:
        assert isinstance(fact, Report), fact
        what = shipped().translate("smtp", fact).meaning
        answers.append((what.status, what.failure_class, what.fault, fact.address))
    return answers


def one(body):
    (answer,) = come_of(body)
    return answer


def dsn(
    fields, explanation="Not delivered.", copy="From: news@example.com\nTo: robin@example.org\n", head=""
):
    return (
        f"From: MAILER-DAEMON@mail.example.net\nTo: bounces@bounce.example.com\nSubject: Undelivered mail\n{head}"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\n"
        f"{explanation}\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.net\n\n"
        f"{fields}\n\n--b\nContent-Type: text/rfc822-headers\n\n{copy}\n--b--\n"
    )


def failed(status, *more, recipient="rfc822; robin@example.org"):
    return "\n".join([f"Final-Recipient: {recipient}", "Action: failed", f"Status: {status}", *more])
