"""What happens to an attempt on each channel: the statuses it goes through, and when. Pure.

The words and codes are those of `codes/sandbox.csv`.
"""

from __future__ import annotations

from collections.abc import Callable

from deliveries.providers.sandbox.attempt import HOURS, LONGEST_DELAY, MINUTES, CarrierAttempt
from deliveries.providers.sandbox.carriers import looks_like_spam

REPLIES = ("Thanks", "Ok", "Yes please", "Who is this?", "Can you call me instead?")
# What the code table does not list, as happens with every real provider sooner or later.
UNLISTED_CODE = "LK-207"
# Shares of the numbers themselves, 0..1: the same one always behaves alike. Made up, like all odds of the sandbox.
STOP_ON_RECORD = 0.003
NO_MMS = 0.03
NO_VOICEMAIL = 0.02
# Shares of the attempts, 0..1.
LOST_RECEIPTS = 0.003
OVERTAKING = 0.03
STOPS, REPLY_SHARE, UNSUBSCRIBES = 0.005, 0.012, 0.003


def text_message(attempt: CarrierAttempt) -> None:
    """SMS and MMS."""
    dice, carrier = attempt.dice, attempt.carrier
    sent = dice.between("sent", 0.5, 3)
    after = sent + attempt.latency()
    failure = text_failure(attempt)
    if failure == "OUTAGE":
        attempt.say("failed", sent, failure)
        return
    # Now and then "sent" is reported after the outcome.
    attempt.say("sent", sent, lag=60.0 + after if dice.chance("overtaken", OVERTAKING) else 0.0)
    if failure == "ABSENT":
        absent_handset(attempt, sent)
    elif failure:
        text_receipt(attempt, "undelivered", sent + dice.between("refused", 0.5, 8), failure)
    elif carrier.parts and attempt.parts > 1:
        delivered_in_parts(attempt, after)
    else:
        text_arrives(attempt, after)


def text_failure(attempt: CarrierAttempt) -> str:
    """Why a text does not arrive; empty when it does."""
    dice, carrier, mms = attempt.dice, attempt.carrier, attempt.submission.channel == "mms"
    questions: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("LANDLINE", lambda: attempt.line == "landline"),
        ("UNKNOWN_SUBSCRIBER", lambda: attempt.dead),
        ("OPTED_OUT", lambda: attempt.address.chance("stop on record", STOP_ON_RECORD)),
        ("MMS_UNSUPPORTED", lambda: mms and attempt.address.chance("no mms", NO_MMS)),
        ("OUTAGE", lambda: attempt.down),
        (
            "FILTERED",
            lambda: looks_like_spam(attempt.submission.body) and dice.chance("filter", carrier.filters),
        ),
        (UNLISTED_CODE, lambda: carrier.name == "Lakeland Cellular" and dice.chance("unlisted", 0.004)),
        ("CONGESTION", lambda: dice.chance("congestion", carrier.congestion * (3 if mms else 1))),
        ("ABSENT", lambda: dice.chance("absent", carrier.absent)),
    )
    return next((code for code, applies in questions if applies()), "")


def text_receipt(attempt: CarrierAttempt, status: str, after: float, code: str = "") -> None:
    """The final word, unless this carrier or this once gives none."""
    if attempt.carrier.receipts and not attempt.dice.chance("no receipt", LOST_RECEIPTS):
        attempt.say(status, after, code, lag=attempt.receipt_delay())


def text_arrives(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    text_receipt(
        attempt, "handset" if dice.chance("handset", attempt.carrier.handset) else "delivered", after
    )
    arrived(attempt, after)


def arrived(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    attempt.reach(after, "handset")
    if dice.chance("stop", STOPS):
        attempt.reply("STOP", after + dice.between("stops", MINUTES, 40 * MINUTES), "STOP")
    elif dice.chance("reply", REPLY_SHARE):
        text = REPLIES[int(dice.roll("words") * len(REPLIES))]
        attempt.reply(text, after + dice.between("replies", 20, 3 * HOURS))


def absent_handset(attempt: CarrierAttempt, sent: float) -> None:
    """The carrier keeps trying: gives up soon, gives up after a day, or delivers after all."""
    dice = attempt.dice
    if dice.chance("expires", 0.2):
        if attempt.carrier.receipts:
            attempt.say("delayed", sent + dice.between("delayed", 5 * MINUTES, 30 * MINUTES), "ABSENT")
        text_receipt(attempt, "expired", dice.between("expiry", 20 * HOURS, LONGEST_DELAY), "EXPIRED")
        return
    given_up = sent + dice.between("given up", 10, 30 * MINUTES)
    text_receipt(attempt, "undelivered", given_up, "ABSENT")
    if dice.chance("recovers", attempt.carrier.recovers):
        text_arrives(attempt, given_up + dice.between("recovery", 10 * MINUTES, 8 * HOURS))


def delivered_in_parts(attempt: CarrierAttempt, after: float) -> None:
    """Each part has its own receipt, and the whole is only there when every part is."""
    dice, parts = attempt.dice, attempt.parts
    whole, last = True, after
    for part in range(1, parts + 1):
        lost = dice.chance(f"part {part}", 0.01)
        at = after + dice.between(f"part at {part}", 0.1, 10)
        attempt.say(
            "undelivered" if lost else "delivered", at, "CONGESTION" if lost else "", part=part, parts=parts
        )
        whole, last = whole and not lost, max(last, at)
    if whole:
        arrived(attempt, last)


def call(attempt: CarrierAttempt) -> None:
    """Voice: a person, a machine, nobody, or no connection at all."""
    dice = attempt.dice
    attempt.say("dialing", dice.between("dialing", 0.5, 2))
    failure = call_failure(attempt)
    if failure:
        attempt.say("failed", dice.between("failure", 2, 8), failure)
        return
    ringing = dice.between("ringing", 2, 5)
    attempt.say("ringing", ringing)
    point = dice.roll("who")
    if point < 0.05:
        attempt.say("busy", ringing + 1)
    elif point < 0.27:
        attempt.say("no_answer", ringing + dice.between("rings", 20, 30))
    else:
        picked_up(attempt, ringing + dice.between("pickup", 3, 20), person=point < 0.62)


def call_failure(attempt: CarrierAttempt) -> str:
    dice = attempt.dice
    if attempt.dead:
        return "UNALLOCATED"
    if attempt.down:
        return "OUTAGE"
    if dice.chance("spam label", 0.012 if attempt.carrier.filters > 0.3 else 0.003):
        return "SPAM_LABEL"
    return "CONGESTION" if dice.chance("congestion", attempt.carrier.congestion) else ""


def picked_up(attempt: CarrierAttempt, at: float, *, person: bool) -> None:
    """The call's end and who answered are two reports, in either order; sometimes nobody can tell who."""
    dice = attempt.dice
    over = at + dice.between("talk", 6, 60)
    attempt.reach(at, "person" if person else "voicemail")
    attempt.say("completed", over)
    if not dice.chance("undecided", 0.03):
        detected = at + dice.between("detection", 2, 5)
        attempt.say(
            "amd:human" if person else "amd:machine",
            detected,
            lag=over + 30 - detected if dice.chance("detected late", OVERTAKING) else 0.0,
        )


def voicemail_drop(attempt: CarrierAttempt) -> None:
    """Ringless voicemail: mobiles only."""
    dice, carrier, address = attempt.dice, attempt.carrier, attempt.address
    taken = dice.between("accepted", 0.5, 3)
    if attempt.line != "mobile" or attempt.dead:
        attempt.say("rejected", taken, "MNF")
        return
    if dice.chance("refused", 0.008):
        attempt.say("rejected", taken)
        return
    attempt.say("accepted", taken)
    dropping = taken + dice.between("dropping", 2, 30)
    attempt.say("dropping", dropping)
    done = dropping + dice.between("drop", 15, 3 * MINUTES)
    failures: tuple[tuple[str, bool], ...] = (
        ("CARRIER_UNSUPPORTED", not carrier.drops),
        ("NO_MAILBOX", address.chance("no voicemail", NO_VOICEMAIL)),
        ("OUTAGE", attempt.down),
        ("MAILBOX_FULL", dice.chance("mailbox full", 0.03)),
        ("", dice.chance("failed drop", 0.025)),
    )
    for code, applies in failures:
        if applies:
            attempt.say("drop_failed", done, code)
            return
    attempt.reach(done, "voicemail")
    attempt.say("dropped", done, lag=attempt.receipt_delay())


def mail(attempt: CarrierAttempt) -> None:
    """Email: an acceptance may be followed by a bounce or a complaint."""
    dice, carrier = attempt.dice, attempt.carrier
    sent = dice.between("processed", 0.5, 3)
    attempt.say("processed", sent)
    answered = sent + dice.between("answer", 1, 15)
    if attempt.dead:
        mail_bounces(attempt, answered)
    elif looks_like_spam(attempt.submission.body) and dice.chance("filter", carrier.filters):
        attempt.say("blocked", answered, "5.7.1")
    elif dice.chance("full", carrier.absent):
        attempt.say("deferred", answered, "4.2.2")
        attempt.say("bounced", answered + dice.between("bounce", 10 * MINUTES, 20 * HOURS), "5.2.2")
    elif dice.chance("greylist", carrier.congestion):
        attempt.say("deferred", answered, "4.7.0")
        if dice.chance("never", 0.06):
            attempt.say("expired", dice.between("expiry", 20 * HOURS, LONGEST_DELAY), "4.4.7")
        else:
            mail_arrives(attempt, answered + dice.between("retry", 2 * MINUTES, 4 * HOURS))
    else:
        mail_arrives(attempt, sent + attempt.latency())


def mail_bounces(attempt: CarrierAttempt, answered: float) -> None:
    """Some servers accept first and send the bounce later."""
    dice = attempt.dice
    if dice.chance("late bounce", 0.15):
        attempt.say("accepted", answered)
        answered += dice.between("bounce", MINUTES, 6 * HOURS)
    attempt.say("bounced", answered, "5.1.1")


def mail_arrives(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    attempt.reach(after, "mailbox")
    attempt.say("accepted", after, lag=attempt.receipt_delay())
    if dice.chance("complaint", 0.001):
        attempt.say("complaint", after + dice.between("complains", 5 * MINUTES, 20 * HOURS))
    elif dice.chance("unsubscribe", UNSUBSCRIBES):
        attempt.reply("unsubscribe", after + dice.between("unsubscribes", MINUTES, 10 * HOURS), "STOP")


FATES: dict[str, Callable[[CarrierAttempt], None]] = {
    "sms": text_message,
    "mms": text_message,
    "voice": call,
    "rvm": voicemail_drop,
    "email": mail,
}
