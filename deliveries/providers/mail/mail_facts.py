"""What came back by mail, as facts: bounces, complaints, read receipts, automatic answers, letters from people.

RFC 3464 and 6533 (delivery reports), 5965 (complaints), 8098 (read receipts), 3834 (automatic answers), 2369
(unsubscribing by mail). Whatever is not about mail of ours concerns no contact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from deliveries.providers.facts import Act, BackscatterReport, Fact, Inbound, Report, Unreadable
from deliveries.providers.kit.parsing import LONGEST_ADDRESS, LONGEST_ID, LONGEST_WORD, clean
from deliveries.providers.mail.bounce_words import (
    FAILED,
    LATER,
    bare_subject,
    evened,
    is_automatic_subject,
    receipt_subject,
)
from deliveries.providers.mail.mail_reading import Fields, Mail, address_in, blocks
from deliveries.providers.mail.quoted_mail import own_words
from deliveries.providers.mail.returned_mail import (
    ARRIVED,
    MailOutcome,
    Original,
    address_of,
    before_returned,
    from_prose,
    original_of,
    outcomes,
    status_text,
)
from deliveries.providers.mail.robots import STOP, is_automatic_answer, is_bare_stop
from deliveries.providers.smtp_marks import UNSUBSCRIBE, Origin, fields_of

LETTER_MAX = 2_000

# A mail that is a report by its very type.
_REPORTS = ("multipart/report", "message/delivery-status")
_OFFICIAL = re.compile(
    r"(?:mailer-?daemon|postmaster|mail-?daemon|maildaemon|mdaemon|double-bounce|mail\.delivery\.system"
    r"|microsoftexchange\w*)@",
    re.IGNORECASE,
)
# As servers write the null sender where they hand a mail to a program: sendmail puts its own name there.
_NULL_SENDER = re.compile(r"<?\s*(?:mailer-?daemon(?:@[\w.-]*)?)?\s*>?", re.IGNORECASE)
_AGGREGATES = {
    "application/gzip",
    "application/zip",
    "application/x-zip-compressed",
    "application/tlsrpt+gzip",
}
CHECK = "Check your sent mail, password and two-factor sign-in, and that SPF, DKIM and DMARC are set up."
BACKSCATTER = f"A bounce of mail that was not sent here: somebody may be using your address. {CHECK}"
STRANGE_COMPLAINT = (
    f"A complaint about mail that was not sent here: somebody may be using your address. {CHECK}"
)
STRANGE_FAILURE = f"Mail in your name failed SPF, DKIM or DMARC, and was not sent here. {CHECK}"
STRANGE_ANSWER = (
    f"An answer by a machine to mail that was not sent here: somebody may use your address. {CHECK}"
)


def facts(mail: Mail, about: Origin) -> Iterator[Fact]:
    feedback = mail.text_of("message/feedback-report")
    if feedback or from_outlook_com(mail):
        yield complaint(mail, about, next(iter(blocks(feedback)), {}))
        return
    # What people write about a bounce is no bounce.
    by_machine = mail.type in _REPORTS or from_a_machine(mail)
    original = original_of(mail, about.to) if by_machine else Original()
    found = bounced(mail, original) if by_machine else []
    if found:
        yield from reports(found, original, mail, about)
    elif mail.report_type == "delivery-status":
        raise Unreadable("report: it names no recipient and gives no reason.")
    elif mail.report_type == "disposition-notification":
        yield from seen(mail, about)
    elif unsubscribes(mail, about):
        yield letter(mail, about, "STOP")
    elif mail.sender and is_bare_stop(written(mail)):  # whatever the mail looks like
        yield letter(mail, about)
    elif receipt_subject(mail.headers.get("subject", "")):
        yield from seen_by_letter(mail, about)
    elif is_automatic(mail):
        yield from answered_by_itself(mail, about)
    elif not any(part.type in _AGGREGATES for part in mail.parts):  # DMARC's and TLS's daily sums
        yield letter(mail, about)


def bounced(mail: Mail, original: Original) -> list[MailOutcome]:
    """What a machine says became of the mail, a recipient each."""
    words, subject = mail.words, mail.headers.get("subject", "")
    if mail.report_type == "disposition-notification":
        return refused_by_filter(mail, original)
    found = outcomes(blocks(status_text(mail)), before_returned(words), original)
    if found:
        return found
    failed = mail.headers.get("x-failed-recipients", "")
    official = mail.type in _REPORTS or failed or _OFFICIAL.match(mail.sender) or not mail.sender
    # "I am away and cannot be reached" reads like a bounce; so without fields the sender or the subject has to as well,
    # or an address stands beside a refusal.
    known = bool(official or tells_of_failure(subject))
    if not known and is_automatic_answer(mail.headers):
        return []
    return from_prose(words, subject, failed, original, proof=not known)


def from_a_machine(mail: Mail) -> bool:
    """Whether a mail server says that it wrote this, or nobody wants an answer."""
    return bool(
        _OFFICIAL.match(mail.sender)
        or "x-failed-recipients" in mail.headers
        or _NULL_SENDER.fullmatch(mail.headers.get("return-path", "-").strip())
        or not mail.sender
    )


def tells_of_failure(subject: str) -> bool:
    words = evened(subject)
    return bool((FAILED.search(words) or LATER.search(words)) and not is_automatic_subject(subject))


def refused_by_filter(mail: Mail, original: Original) -> list[MailOutcome]:
    """A refusal in the shape of a read receipt, as the filters of mailboxes send it (RFC 5429)."""
    fields = fields_of(mail)
    what = fields.get("disposition", "").lower().partition(";")[2]
    refuses = (
        "rejected" in mail.headers.get("auto-submitted", "").lower()
        or re.search(r"\b(?:failed|rejected|error)\b", what)
        or (
            FAILED.search(evened(f"{mail.headers.get('subject', '')}\n{mail.words}"))
            and "displayed" not in what
        )
    )
    if not refuses:
        return []
    fields = fields | {
        "action": "failed",
        "diagnostic-code": fields.get("failure", "") or fields.get("error", ""),
    }
    return outcomes([fields], before_returned(mail.words), original)


def reports(found: list[MailOutcome], original: Original, mail: Mail, about: Origin) -> Iterator[Fact]:
    """A report for each recipient; for stored mail, of ours, for the one recipient that a mail of ours has.

    Others are behind a list or a forwarding of theirs, and none of our business.
    """
    if not about.ours:
        yield BackscatterReport(found[0].address, BACKSCATTER, found[0].at or mail.at)
        return
    in_order = sorted(found, key=_address)
    ends = [mildest(list(group)) for _, group in groupby(in_order, key=_address)]
    chosen = next((end for end in ends if _address(end) == original.to), mildest(ends))
    for end in sorted(ends, key=found.index):
        if end is chosen:
            yield report(end, mail, about.ref, about.id)
        elif not about.stored:
            yield report(end, mail, "", about.id)


def report(outcome: MailOutcome, mail: Mail, ref: str, mail_id: str) -> Report:
    return Report(
        ref=ref,
        provider_message_id=mail_id,
        channel="email",
        native_status=outcome.action,
        native_code=outcome.code[:LONGEST_WORD],
        native_text=outcome.text,
        occurred_at=outcome.at or mail.at,
        address=outcome.address,
        lasting="temporary" if outcome.pending or outcome.unexplained else "",
        mailbox=outcome.mailbox,
    )


def _address(outcome: MailOutcome) -> str:
    return outcome.address.lower()


def mildest(outcomes: list[MailOutcome]) -> MailOutcome:
    """Of the ends that one mail came to behind a list or a forwarding, the best: it did arrive somewhere."""
    return min(outcomes, key=lambda each: 0 if each.action in ARRIVED else 1 if each.pending else 2)


def complaint(mail: Mail, about: Origin, fields: Fields) -> Fact:
    """A reader pressed "spam" (ARF), or "not spam"; or a server tells of failed authentication."""
    kind = fields.get("feedback-type", "abuse").partition(" ")[0].strip(";").lower() or "abuse"
    address = address_of(fields.get("original-rcpt-to", "") or recipient_at_outlook_com(mail))
    address = address if "@" in address else ""  # many write a hash in its place
    if not about.ours:
        text = STRANGE_FAILURE if kind == "auth-failure" else STRANGE_COMPLAINT
        return BackscatterReport(address, text, mail.at)
    return Report(
        about.ref, about.id, "email", kind[:LONGEST_WORD], native_text=fields.get("user-agent", "")[:LONGEST_ADDRESS],
        occurred_at=mail.at, address=address,
    )  # fmt: skip


def from_outlook_com(mail: Mail) -> bool:
    """Microsoft's Junk Mail Reporting Program sends complaints without the fields of RFC 5965."""
    subject = mail.headers.get("subject", "")
    return mail.sender.lower() == "staff@hotmail.com" and subject.startswith("complaint about")


def recipient_at_outlook_com(mail: Mail) -> str:
    found = re.search(
        r"^x-hmxmroriginalrecipient:\s*<?([^<>\s]{3,254})>?", mail.returned, re.IGNORECASE | re.MULTILINE
    )
    return found[1] if found else ""


def seen(mail: Mail, about: Origin) -> Iterator[Fact]:
    """A read receipt. Only "displayed" says something about a person."""
    mode, _, what = fields_of(mail).get("disposition", "").lower().partition(";")
    if about.ours and "displayed" in what:
        machine = mode.startswith("automatic-action")
        yield Act("open", about.ref, about.id, "email", mail.sender, occurred_at=mail.at, machine=machine)


def seen_by_letter(mail: Mail, about: Origin) -> Iterator[Fact]:
    """A read receipt that a mail program wrote as a letter of its user's; none of it are words of theirs."""
    if about.ours and receipt_subject(mail.headers.get("subject", "")) == "read":
        yield Act("open", about.ref, about.id, "email", mail.sender, occurred_at=mail.at)


def is_automatic(mail: Mail) -> bool:
    """Out of office and the like, robots that ask who we are, and whatever else no person wrote."""
    return from_a_machine(mail) or is_automatic_answer(mail.headers)


def answered_by_itself(mail: Mail, about: Origin) -> Iterator[Fact]:
    subject = mail.headers.get("subject", "")
    if about.ours:
        yield Act("auto_reply", about.ref, about.id, "email", mail.sender, subject, mail.at, machine=True)
    elif mail.headers.get("auto-submitted", "").startswith("auto-replied") or is_automatic_subject(subject):
        yield BackscatterReport(mail.sender, STRANGE_ANSWER, mail.at)


def unsubscribes(mail: Mail, about: Origin) -> bool:
    """Mail to the address in List-Unsubscribe; mail programs write it for their users."""
    return (
        about.to.lower().startswith((f"{UNSUBSCRIBE}+", f"{UNSUBSCRIBE}@"))
        or "x-apple-unsubscribe" in mail.headers
    )


def letter(mail: Mail, about: Origin, opt_out_type: str = "") -> Inbound:
    """What a person wrote, without what they quote."""
    if not mail.sender:
        raise Unreadable("From: no address.")
    subject, sender = mail.headers.get("subject", ""), mail.sender
    asked, _ = bare_subject(subject)
    if opt_out_type and about.ref:
        # We wrote the subject: it names the address that was mailed, which a forwarding hides.
        sender = next(filter(None, map(address_in, subject.split())), sender)
    elif asked in STOP:
        opt_out_type = "STOP"
    return Inbound(
        sender.lower()[:LONGEST_ADDRESS], about.to[:LONGEST_ADDRESS], "email", clean(written(mail))[:LETTER_MAX],
        about.ref, opt_out_type, mail.at, mail.headers.get("message-id", "").strip("<> ")[:LONGEST_ID],
    )  # fmt: skip


def written(mail: Mail) -> str:
    """What the person wrote; the subject where that is all, but of an answer it is ours."""
    subject = mail.headers.get("subject", "")
    return own_words(mail) or ("" if bare_subject(subject)[1] else subject)
