"""The words that mail servers use to people, as patterns. They are looked for in lower-case text that has single
spaces and no apostrophes ("couldnt be delivered"), so the patterns are written like that.
"""

from __future__ import annotations

import re


def either(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases))


def evened(text: str) -> str:
    """Text as the patterns want it."""
    return " ".join(re.sub(r"['’‘`´]", "", text.lower()).split())


_NOT = "(?: ?no?t|t)"  # could not, couldnt, cant
_WHO = "(?:user|recipient|mailbox|account|address|alias|addressee)"
_NAMED = r"\S{0,3} (?:\S{1,100} )?"  # the address itself often stands between

# Reason by reason, in the order they are looked for. Each is a row `text/...` of the code table.
REASONS = (
    (
        "mailbox-full",
        either(
            "mail ?box (?:is )?(?:too )?full",
            "inbox (?:is )?full",
            "over ?quota",
            "quota (?:is |has been )?(?:exceeded|reached|full)",
            r"exceed\w* .{0,30}(?:quota|storage limit)",
            "out of (?:storage|quota)",
            "(?:insufficient|not enough) (?:disk|storage|quota)",
        ),
    ),
    (
        "disabled",
        either(
            f"{_WHO}(?: that .{{0,40}})? (?:is |has been )(?:currently |temporarily )?"
            "(?:disabled|suspended|inactive|locked|closed|not active)",
            "(?:disabled|inactive|suspended) (?:user|account|mailbox)",
        ),
    ),
    (
        "no-such-host",
        either(
            "unknown (?:host|domain)",
            "(?:host|domain)(?: name)? (?:is )?(?:unknown|(?:was )?not found|does ?no?t exist|lookup failed)",
            "(?:could|can) ?no?t find (?:any|a) (?:host|mail|exchanger|domain)",
            r"domain \S{1,100} (?:could ?no?t be|was not) found",
            "name service error",
            "nxdomain",
            "unrouteable mail domain",
        ),
    ),
    (
        "moved",
        either(
            "has moved",
            "no longer (?:in use|valid|works?\\b|employed|available|with )",
            "address has (?:been )?changed",
        ),
    ),
    (
        "no-such-user",
        either(
            "(?:unknown|no such|non-?existent|invalid|bad|illegal) (?:local |destination |virtual )?"
            "(?:user|mailbox|recipient|address|alias|account|local[ -]?part|person|addressee|rcpt)",
            f"{_WHO} unknown",
            f"{_WHO}{_NAMED}(?:does|did){_NOT} exist",
            f"{_WHO}{_NAMED}(?:was |is )?not (?:found|known|valid|listed|a valid)",
            f"{_WHO}{_NAMED}(?:could|can){_NOT} be (?:found|verified)",
            f"{_WHO} (?:that )?you (?:entered|tried).{{0,60}}no?t (?:be )?(?:exist|found)",
            "no mailbox (?:here|by)",
            "mailbox unavailable",
            "unrouteable address",
            "undeliverable address",
            "not our (?:user|customer)",
            "not listed in .{0,40}(?:book|directory)",
            "recip(?:ient)?notfound",
        ),
    ),
    (
        "authentication",
        either(
            r"\bspf\b",
            r"\bdkim\b",
            r"\bdmarc\b",
            "reverse (?:dns|lookup)",
            r"\bptr\b",
            "unauthenticated",
            r"sender id\b",
        ),
    ),
    (
        "policy",
        either(
            "black ?list",
            "block ?list",
            r"\bdnsbl",
            r"\brbls?\b",
            "spamhaus",
            "spamcop",
            "barracuda",
            "reputation",
            "blocked (?:by|for|using|due)",
            r"\bbanned\b",
        ),
    ),
    (
        "spam",
        either(
            "spam",
            "virus",
            "malware",
            "unsolicited",
            r"\bjunk\b",
            "phish",
            "content (?:rejected|filter|refused)",
            "looks like bulk",
        ),
    ),
    (
        "too-big",
        either(
            r"(?:message|mail|size)\b.{0,40}\b(?:too (?:big|large|long)|exceed\w* .{0,30}(?:size|limit|maximum))",
            "size limit",
            "maximum message size",
        ),
    ),
    (
        "too-fast",
        either(
            "too (?:many|fast|quickly|much mail)",
            "rate ?limit",
            "throttl",
            "sending rate",
            "unusual rate",
            "concurrent connections",
        ),
    ),
    (
        "expired",
        either(
            "retry time(?:out)? (?:not reached|exceeded)",
            "in the queue too long",
            "(?:delivery(?: time)?|message)(?: has)? expired",
            r"unable to deliver .{0,40}(?:for|within|in) \d+ (?:days|hours)",
            "not been able to deliver .{0,60} (?:days|hours)",
        ),
    ),
    (
        "policy",
        either(
            "polic(?:y|ies)",
            "denied",
            "prohibit",
            "not (?:allowed|permitted|accepted|authori[sz]ed)",
            r"\bblocked\b",
            "refused by",
            "rejected",
            r"relay(?:ing)?\b",
        ),
    ),
    (
        "network",
        either(
            "connection (?:was )?(?:refused|timed|reset|died|lost|dropped|closed)",
            "(?:network|host) (?:is )?(?:unreachable|down)",
            "no route",
            "timed ?out",
            "lost connection",
            "not able to establish an smtp",
            "(?:did not|not) (?:respond|responding|reached)",
        ),
    ),
)

# They keep trying.
LATER = either(
    "(?:has|have) ?no?t (?:yet )?been (?:delivered|sent)(?: to .{0,80})?(?: yet| after)",
    "not yet (?:been )?delivered",
    "still (?:undelivered|trying)",
    "will (?:continue|keep) (?:to )?try",
    "will be (?:re)?tried",
    "will (?:re)?try (?:again|for|every|to)",
    "will continue to be attempted",
    r"delivery (?:\S{1,30} ){0,4}delay",
    r"(?:message|mail) (?:\S{1,60} ){0,4}(?:is|was|has been) delayed",
    "message delayed",
    "temporary problem delivering",
    "transient non-fatal",
    "do ?no?t need to re-?send",
    "no action is required",
    "warning message only",
    "warning: (?:message|could not send)",
)
# Whatever else they say, it is over.
FINAL = either(
    "failed permanently",
    "permanent(?:ly)? (?:fatal|error|failure|failed)",
    "giving up",
    "gave up",
    "will not be (?:re)?tried",
)
FAILED = either(
    f"(?:could|can|was|were|is|has|have|did){_NOT} (?:be(?:en)? )?(?:able to (?:be )?)?"
    "(?:delivered|deliver\\b|sent)",
    f"did{_NOT} reach",
    "recipient.{0,20} could not be reached",
    "cannot be delivered",
    "undeliver",
    "un-?able to deliver",
    "non-?deliver",
    "failed permanently",
    "permanent(?:ly)? (?:fatal|error|failure)",
    "inbox full",
    "returned (?:mail|to (?:you|sender)|message)",
    r"delivery (?:\S{1,120} ){0,6}fail",
    "(?:mail|delivery) (?:system )?(?:failure|failed|error)",
    "failure (?:notice|delivery|report)",
    "failed (?:recipient|delivery|address)",
    "giving up",
    "gave up",
    "address not found",
    "message (?:blocked|rejected|not delivered)",
    "(?:mail|message) bounced",
    "bounce message",
    "rejected your message",
    "following (?:address|recipient).{0,40} (?:fail|rejected|problem|error)",
)

# Where a copy of the returned mail begins. Asked of the text as it came.
COPY = re.compile(
    r"^[ \t>]*(?:-{2,}[ ]?(?:below this line|this is a copy|(?:the )?original (?:message|headers?)"
    r"|(?:message|mail) (?:header|text)|(?:unsent|undelivered|returned) message|(?:the )?header of|forwarded)"
    r"|original message headers?:|your message reads|return-path:[ ]|received: from )",
    re.IGNORECASE | re.MULTILINE,
)

# Subjects of automatic answers, in the languages of the large mail programs; and of robots that ask who we are. Only
# at the beginning: a person who answers mail about a vacation writes "Re: ...".
AUTOMATIC = either(
    "^auto(?:matic|mated)?[ :-]{1,3}(?:reply|response|answer|re:)",
    "^auto: ",
    "^out of (?:the )?office",
    "^ooo\\b",
    "^automatische antwort",
    "^abwesenheit",
    "^réponse automatique",
    "^respuesta automática",
    "^fuera de la oficina",
    "^risposta automatica",
    "^resposta automática",
    "^automatisch antwoord",
    "^自动回复",
    "^自動返信",
)
CHALLENGE = either(
    "^(?:please )?(?:confirm|verify) (?:that )?(?:your |you are )(?:message|e-?mail|human|a human|identity)",
    "^sender (?:verification|confirmation)",
    "^are you human",
    "^your (?:e-?mail|message) (?:requires|is awaiting) (?:verification|approval|confirmation)",
)
