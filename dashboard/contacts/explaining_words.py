"""The words of what is read to the customer on the phone: no codes, no names of providers or rules."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format

from contacts import grounds
from contacts.channels import KIND_OF, Channel, Kind
from contacts.gate import Reason
from contacts.models import AutomaticAnswer, Suppression
from contacts.phones import ERASED, mask
from deliveries.statuses import Disposition, Evidence, Status

NOUN = {
    Channel.SMS: "text message",
    Channel.MMS: "picture message",
    Channel.VOICE: "call",
    Channel.RVM: "voicemail",
    Channel.EMAIL: "email",
}
DID = {
    Channel.SMS: "sent a text message to",
    Channel.MMS: "sent a picture message to",
    Channel.VOICE: "called",
    Channel.RVM: "sent a voicemail to",
    Channel.EMAIL: "sent an email to",
}
# How sure we are of what arrived: by evidence, for a message to a phone, a voicemail and an email.
SURE = {
    Evidence.HANDSET: "we know that it reached your phone",
    Evidence.CARRIER: "your phone company reports that it was delivered",
    Evidence.HANDED_OVER: "your phone company accepted it, and nobody confirmed that it reached your phone",
    Evidence.ASSUMED: "no failure was reported, and nobody confirmed that it reached your phone",
    Evidence.CLOCK: "no failure was reported, and nobody confirmed that it reached your phone",
}
SURE_OF_VOICEMAIL = {
    **SURE,
    Evidence.HANDSET: "we know that it was left in your voicemail box",
    Evidence.CARRIER: "it is reported as left in your voicemail box",
    Evidence.HANDED_OVER: "your phone company accepted it, and nobody confirmed that it was left in your voicemail box",
}
SURE_OF_MAIL = {
    **dict.fromkeys(Evidence, "your mail provider accepted it; it may still be in spam"),
    Evidence.ASSUMED: "no failure came back, and nobody confirmed that it arrived",
    Evidence.CLOCK: "no failure came back, and nobody confirmed that it arrived",
}
ENDED = {
    Status.ANSWERED: "the call was answered",
    Status.VOICEMAIL: "the call went to voicemail",
    Status.NO_ANSWER: "nobody picked up",
    Status.BUSY: "the line was busy",
    Status.COMPLAINED: "it was reported to us as unwanted",
    Status.CANCELED: "it was canceled on its way",
}
CAME_OF_IT = {
    Disposition.PENDING: "it is on its way, and we have no confirmation yet",
    Disposition.PENDING_RETRY: "it could not be delivered at that moment",
    Disposition.BOUNCED_HARD: "it could not be delivered: the report says that it cannot be reached there",
    Disposition.BLOCKED_COMPLIANCE: "it was not accepted for delivery, which has nothing to do with your {kind}",
    Disposition.OPTOUT: "it was not delivered, because messages there are opted out",
    Disposition.UNKNOWN: "we received no confirmation either way",
}
# Why somebody was left out, to be read to them; {kind} is "number" or "email address", {noun} as in NOUN.
OURS = "of a reason on our side, which has nothing to do with you"
LEFT_OUT = {
    Reason.EXCLUDED: "it was not meant for all people on our lists",
    Reason.HOLD_OUT: "it went to a part of the people on our lists only",
    Reason.NO_ADDRESS: "we had no {kind} of yours for it",
    Reason.OPTED_OUT: "we knew that you do not want it",
    Reason.NEEDS_CORRECTION: "the {kind} we had seemed to be wrong",
    Reason.INVALID_ADDRESS: "the {kind} we had was not a valid one",
    Reason.NOT_IN_SERVICE: "the number we had was reported as not in service",
    Reason.WRONG_LINE: "the number we had cannot take a {noun}",
    Reason.SUPPRESSED: "we had stopped writing to you there",
    Reason.NOT_CONFIRMED: "we had asked you to confirm that you want a {noun} from us, and had no answer",
    Reason.NO_CONSENT: "we had no agreement of yours to a {noun} from us",
    Reason.HARD_FAILS: "earlier messages there had failed several times",
    Reason.NO_COMMON_HOUR: "we found no hour at which we may reach you",
    Reason.NO_LAWFUL_HOUR: "we found no hour at which we may reach you",
    Reason.NOT_RELEVANT: "it would have come too late",
    "superseded": "another message had reached you first",
}

# What we answered or asked beside the campaigns, by its kind.
ANSWERED = {
    AutomaticAnswer.Kind.CONFIRM: "we asked you to confirm that you want messages from us",
    AutomaticAnswer.Kind.VERIFY: "we asked you whether your number or address is still right",
    AutomaticAnswer.Kind.STOP: "we confirmed that you get no more messages from us",
    AutomaticAnswer.Kind.HELP: "we answered your question for help",
    AutomaticAnswer.Kind.TEST: "we sent you a test that was asked for from this address",
    AutomaticAnswer.Kind.PERSON: "a colleague answered what you had written",
}

HOW_THEY_ASKED = {
    grounds.REPLIED: "You replied STOP on {day}",
    grounds.UNSUBSCRIBED: "You unsubscribed by email on {day}",
    grounds.ANSWERED: "You answered “{words}” on {day}",
    grounds.READ: "You wrote to us on {day} that you do not want to hear from us",
    grounds.REPORTED: "It was reported to us on {day} that you opted out",
    grounds.LISTED: "We learnt on {day} that you do not want to hear from us",
    grounds.BY_LINK: "You used the unsubscribe link in our email on {day}",
    grounds.PRESSED: "You pressed a key on {day} to opt out",
    Suppression.Reason.COMPLAINT: "A message of ours was reported as unwanted on {day}",
}


def where(value: str) -> str:
    """To be read aloud; of an address no more than everybody may see."""
    if value.startswith(ERASED):
        return "an address that was erased"
    if "@" in value:
        return f"your address at {value.rpartition('@')[2]}"
    ending = mask(value).rpartition("•")[2].strip()
    return f"the number ending in {ending}" if ending else "your number"


def kind_word(channel: Channel) -> str:
    return "number" if KIND_OF[channel] == Kind.PHONE else "email address"


def when_words(at: datetime) -> str:
    return f"{day_words(at)} at {timezone.localtime(at):%H:%M}"


def day_words(at: datetime) -> str:
    """To be read aloud: "3 November", with its year only when that is not this year."""
    local = timezone.localtime(at)
    return date_format(local, "j F" if local.year == timezone.localtime().year else "j F Y")
