"""The words that mail servers use to people. English ones are patterns, below; those of other languages, and the
subjects of automatic answers, are plain phrases in `bounce_words.csv`. Both are looked for in text made even: lower
case, single spaces, no apostrophes and no accents ("couldnt be delivered", "boite pleine").
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

TABLE = Path(__file__).with_suffix(".csv")


def either(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases))


def evened(text: str) -> str:
    """Text as the patterns and phrases want it."""
    text = re.sub(r"['’‘`´]", "", text.lower())
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("ß", "ss"))
        text = unicodedata.normalize(
            "NFC", "".join(each for each in letters if not unicodedata.combining(each))
        )
    return " ".join(text.split())


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[str, ...]]:
    """The phrases of every language, by what they say."""
    phrases: dict[str, list[str]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            phrases.setdefault(row["says"], []).append(evened(row["words"]))
    return {says: tuple(sorted(set(words))) for says, words in phrases.items()}


class BounceWords(NamedTuple):
    """What servers write for one thing: an English pattern, and phrases of other languages."""

    pattern: re.Pattern[str]
    phrases: tuple[str, ...] = ()
    by_first_word: dict[str, list[str]] = {}

    def search(self, even: str) -> bool:
        if self.pattern.search(even):
            return True
        if not even.isascii():  # other scripts, some of which put no spaces between words
            return any(phrase in even for phrase in self.phrases)
        found = _words_in(even) & self.by_first_word.keys()
        return any(phrase in even for word in found for phrase in self.by_first_word[word])


def words(says: str, *patterns: str) -> BounceWords:
    phrases = _table().get(says, ())
    by_first_word: dict[str, list[str]] = {}
    for phrase in filter(str.isascii, phrases):
        by_first_word.setdefault(re.findall(r"\w+", phrase)[0], []).append(phrase)
    return BounceWords(either(*patterns), phrases, by_first_word)


@lru_cache(maxsize=4)
def _words_in(even: str) -> frozenset[str]:
    words = re.findall(r"\w+", even)
    return frozenset(words) | {_ELIDED.sub("", word) for word in words}


_ELIDED = re.compile(r"^(?:[ldn]|qu|(?:de|da|a|ne|su)ll)(?=[aeiouh])")  # l'adresse, dell'utente


# ---- Why a mail was not delivered ----------------------------------------------------------------------------

# Whose matter a reason is. OURS: our address, domain, server, rate or content. THEIRS: the address we wrote to; LIKELY
# when the words might be about another address as well. BETWEEN: the servers and the network. WEAK: some rule refused
# it, and nothing says which.
About = Literal["ours", "theirs", "likely", "between", "weak"]


class BounceReason(NamedTuple):
    """A reason, as the code table names it (`text/<name>`)."""

    name: str
    about: About
    words: BounceWords


_NOT = "(?: ?no?t|t)"  # could not, couldnt, cant
_BOX = "(?:user|recipient|mail ?box|inbox|mail ?folder|addressee|rcpt)"
_WHO = f"(?:{_BOX}|account|address|alias)"
_NAMED = r"\S{0,3} (?:\S{1,100} )?"  # the address itself often stands between
_IS = "(?:is|was|are|were|has been|have been|being)"
_REFUSED = (
    "(?:reject|refus|den(?:y|ied)|block|bann|black ?list|block ?list|forbidden|"
    "not (?:allowed|accepted|permitted|authori[sz]ed|acceptable|welcome))"
)
_BLOCK_LISTS = (
    "spamhaus", "spamcop", "barracuda", "sorbs", "uceprotect", "invaluement", "cloudmark", "senderscore", r"aup#",
    "black ?list", "block ?list", r"\bdnsbl", r"\brbls?\b", r"\bsurbl", r"\buribl",
)  # fmt: skip

# In the order that they are looked for. What is ours comes first: whoever refuses us often says "user" or "unknown"
# as well, and a refusal of us must never take an address out of use. A full mailbox comes before a size, and the end of
# all tries before the connection that timed out: the former is the reason, the latter its circumstance.
REASONS = (
    BounceReason(
        "account",
        "ours",
        words(
            "account",
            r"(?:daily|hourly) limit for (?:message )?recipients",
            r"(?:submission|sending|outbound|send) (?:quota|limit)",
            r"your (?:daily|hourly) (?:\S{1,20} ){0,2}(?:is|are|has|have|exceed|limit|quota)",
            r"smtp auth(?:entication)?\b",
            "authentication (?:is )?(?:required|needed|credentials)",
            "without (?:smtp )?authentication",
            r"(?:must|please|need to) (?:first )?(?:authenticate|log ?in)\b",
            "not authenticated to send",
            "your (?:account|tenant|subscription)",
        ),
    ),
    BounceReason(
        "authentication",
        "ours",
        words(
            "authentication",
            r"\bspf\b",
            r"\bdkim\b",
            r"\bdmarc\b",
            r"\barc\b.{0,20}fail",
            "authentication (?:checks? )?(?:has |have )?fail",
            "reverse[ -]?(?:dns|lookup|mapping)",
            r"\br(?:everse)?[ -]?dns\b",
            r"\bptr\b",
            "invalid dns mx",
            "unauthenticated",
            "sender id\\b",
        ),
    ),
    BounceReason(
        "sender-rejected",
        "ours",
        words(
            "sender-rejected",
            # Not "returning message to sender".
            rf"(?<!to )(?:sender|return-?path|reverse-?path|envelope from)\b.{{0,40}}?(?:{_REFUSED}|invalid|unknown"
            r"|not found|not exist|unverif|verif|unresolv|not resolve|no (?:mx|such)|disabled|restrict)",
            "(?:invalid|bad|unknown|unresolvable|illegal|unverified|blocked|banned|forged|fake|disallowed|restricted|"
            "prohibited|unauthori[sz]ed) (?:envelope )?"
            "(?:sender|return-?path|from (?:address|domain|header)|mail from)",
            r"\bsender (?:denied|refused|rejected|verif)",
            r"\bsenders? (?:domain |address )?must (?:exist|resolve|be)\b",
            r"\bno valid sender",
            r"you(?:r \S{1,40})? (?:are|is) not (?:allowed|permitted|authori[sz]ed|able) to"
            r" (?:send|e-?mail|post|deliver|write)",
            "domain of sender",
            r"\bfrom: ?(?:domain|address|header)",
            r"\bfrom (?:address|domain|header)\b.{0,40}(?:invalid|reject|refus|denied|not|violat|missing)",
            rf"\bmail from\b(?! (?:command|:)).{{0,80}}{_REFUSED}",
            rf"(?:does|do|did|will|can){_NOT} (?:accept|take|want|allow) (?:any |e-?)?(?:mail|messages) from",
            r"mismatch(?:es)? (?:the )?client ip",
            "unverifiable sending",
            "does not like sender",
            "my name was rejected",
            r"\b(?:helo|ehlo)\b",
        ),
    ),
    BounceReason(
        "policy",
        "ours",
        words(
            "policy",
            "reputation",
            r"blocked (?:by|for|using|due|because)",
            r"\bbanned\b",
            r"(?<!customer )polic(?:y|ies)\b",  # "suppressed due to customer policy": what we asked a service for
            rf"(?:your|client|sending|source|connecting) (?:\S{{1,40}} ){{0,2}}?"
            rf"(?:ip|host|server|mta|domain|network|mail ?server|address)\b.{{0,60}}?(?:{_REFUSED}|listed)",
            r"\bips?\b.{0,40}(?:block|list|bann|reject|refus|denied|reputation)",
            r"\bip address",
            r"relay(?:ing)?\b.{0,30}(?:denied|den(?:y|ies)|not (?:allowed|permitted|authori[sz]ed)|prohibited|refused)",
            rf"(?:un(?:able)?|not (?:able|permitted|allowed|authori[sz]ed)|can{_NOT}|refus\w+|will not) to relay",
            f"(?:do|does|can){_NOT} relay",
            r"relay access",
            r"\baccess (?:from|to this) .{0,60}denied",
            r"\bunsolicited\b",
            r"\b(?:white|allow|safe) ?list",
            r"\b(?:start)?tls\b.{0,30}(?:required|needed|mandatory)|must (?:first )?(?:issue|use) (?:a )?starttls",
            r"protocol violation",
            r"\bheaders?\b.{0,40}(?:syntax|malformed|fail|missing)",
            r"complaints?\b.{0,30}(?:rate|about|threshold)",
        ),
    ),
    BounceReason(
        "spam",
        "ours",
        words(
            "spam",
            r"spam",
            r"virus",
            r"malware",
            r"\bjunk\b",
            r"phish",
            r"quarantin",
            r"content (?:rejected|filter|refused|not)",
            "looks like bulk",
            "bulk (?:e-?)?mail",
            "rejected (?:due to|because of|for) (?:its )?content",
        ),
    ),
    BounceReason(
        "loop",
        "between",
        words(
            "loop",
            "too many (?:hops|received)",
            r"hop count",
            r"(?:mail|routing|forwarding|delivery) loop",
            r"\bloops? (?:back|detected)",
            r"\blooping\b",
        ),
    ),
    BounceReason(
        "receiving-too-fast",
        "theirs",
        words(
            "receiving-too-fast",
            r"receiving (?:e-?mail|mail|messages) (?:at a rate|too (?:quickly|fast|often))",
            r"recipient.{0,40}(?:receive|receiving|thread) (?:rate|limit)",
        ),
    ),
    BounceReason(
        "too-fast",
        "ours",
        words(
            "too-fast",
            r"too (?:many (?!hops|received)|fast\b|quickly|much mail|frequent)",
            r"rate ?limit",
            r"rate (?:limited|exceeded|control)",
            r"throttl",
            r"sending rate",
            r"unusual rate",
            r"concurrent connections",
            r"(?:messages|connections|recipients) per (?:hour|day|minute|connection)",
        ),
    ),
    BounceReason(
        "mailbox-full",
        "theirs",
        words(
            "mailbox-full",
            rf"(?:mail ?box|mail ?folder|inbox|account|mail ?drop)\S{{0,3}} (?:\S{{1,100}} )?"
            rf"(?:{_IS} |currently |too ){{0,2}}full",
            "full (?:mail ?box|inbox|mail ?folder)",
            "over ?(?:the |its |their |his |her |your )?(?:allotted |allowed |mail |disk |storage )?quota",
            r"quota (?:is |has been |was )?(?:exceed|reached|full|over)",
            r"(?:exceed|over|above|beyond)\w* .{0,40}(?:quota|storage(?: limit| space| allocation)?)\b",
            rf"{_BOX}\b.{{0,60}}(?:exceed\w*|over|reached) .{{0,30}}(?:size|limit|space)",
            rf"{_BOX} (?:size|storage|space) limit (?:is |has been |was )?(?:exceed|reached)",
            "(?:out of|no|insufficient|not enough|lack of) (?:free |disk |mail ?box |storage |mail )?"
            "(?:space|storage|quota)",
            "insufficient (?:disk|storage|quota)",
            "exceeded storage allocation",
            "storage (?:limit|quota|space) (?:is |has been )?(?:exceed|reached|full)",
        ),
    ),
    BounceReason(
        "expired",
        "between",
        words(
            "expired",
            "retry time(?:out)? (?:not reached|exceeded)",
            "in the queue too long",
            "(?:delivery(?: time)?|message)(?: has)? expired",
            "hosts? (?:for .{1,80} )?(?:have|has) been failing for a long time",
            r"aborted after [\d.]+ (?:second|minute|hour|day)",
            r"(?:un-?able to|failed to|not|cannot|couldnt|cant|wasnt able to)(?: be)? deliver\w* .{0,40}"
            r"(?:for|within|in|after)(?: the last)? [\d.]+ (?:second|minute|hour|day)",
            "not been able to deliver .{0,60} (?:days|hours)",
            r"(?:tried|trying) (?:to deliver )?.{0,30}for (?:more than )?[\d.]+ (?:hour|day)",
        ),
    ),
    BounceReason(
        "too-big",
        "ours",
        words(
            "too-big",
            r"(?:message|mail|size|attachments?|header)s?\b.{0,40}\b(?<!queue )(?:too (?:big|large|long)\b"
            r"|exceed\w* .{0,30}(?:size|limit|maximum))",
            "size limit",
            "maximum (?:message|allowed|permitted)? ?size",
            "(?:message|mail) (?:size|length) exceed",
        ),
    ),
    BounceReason(
        "disabled",
        "theirs",
        words(
            "disabled",
            rf"{_WHO}(?: that .{{0,40}})?\S{{0,3}} (?:\S{{1,100}} )?"
            rf"(?:{_IS} |currently |temporar(?:y|ily) |permanently ){{0,3}}"
            "(?:disabled|suspended|inactive|locked|closed|deactivated|not active|frozen|blocked"
            "|expired|terminated|cancell?ed|deleted)",
            "(?:disabled|inactive|suspended|locked|frozen|deactivated|closed|dormant|expired) "
            f"(?:e-?mail |destination )?{_WHO}",
            f"{_WHO}.{{0,20}}(?:has been|is|was) (?:temporarily |permanently )?(?:disabled|suspended)",
            "(?:not|no longer) (?:an? )?active (?:user|account|mail ?box)",
        ),
    ),
    BounceReason(
        "no-such-host",
        "theirs",
        words(
            "no-such-host",
            "unknown (?:host|domain)",
            "no such (?:host|domain)",
            r"(?:host|domain)(?: name)?(?: \S{1,100})? (?:(?:is |was )?unknown|(?:was |is )?not found|does ?no?t exist"
            "|lookup failed|is invalid)",
            "(?:could|can) ?no?t find (?:any|a) (?:host|mail|exchanger|domain)",
            r"domain \S{1,100} (?:could ?no?t be|was not) found",
            r"no (?:valid )?(?:mx|mail exchanger)s?\b.{0,30}(?:found|record|exist|for)",
            "null ?mx",
            "name service error",
            "nxdomain",
            "unrouteable mail domain",
            "bad destination (?:host|system)",
        ),
    ),
    BounceReason(
        "moved",
        "theirs",
        words(
            "moved",
            "has moved",
            "no longer (?:in use|valid|works?\\b|employed|available|with |exists?|at this)",
            "address has (?:been )?changed",
        ),
    ),
    BounceReason(
        "no-such-user",
        "theirs",
        words(
            "no-such-user",
            "(?:unknown|no such|non-?existent|invalid|bad|illegal) (?:local |destination |virtual |final delivery )?"
            f"(?:{_BOX}|user ?(?:id|name)|local[ -]?part|person)",
            f"{_BOX}(?: name)? unknown",
            f"{_BOX}{_NAMED}(?:does|did){_NOT} exist",
            f"{_BOX}{_NAMED}(?:was |is )?not (?:found|known|valid|listed|a valid|a known|on this|here)",
            f"{_BOX}{_NAMED}(?:could|can){_NOT} be (?:found|verified)",
            "no mailbox (?:here|by)",
            f"(?:does|do|did){_NOT} have (?:an?|any) .{{0,40}}account",
            "(?:no|not an?) (?:valid |known )?(?:recipient|user|mail ?box)\\b",
            "not our (?:user|customer)",
            "not listed in .{0,40}(?:book|directory)",
            "recip(?:ient)?(?:addressing)?notfound",
        ),
    ),
    # The mail was refused, and no words on the recipient say why. Behind them: "message rejected: user unknown".
    BounceReason(
        "policy",
        "ours",
        words("", rf"(?:message|mail|content|attachment|url|link)s?\b (?:content )?(?:{_IS} )?{_REFUSED}"),
    ),
    BounceReason(
        "no-such-user",
        "likely",
        words(
            "",
            "(?:unknown|no such|non-?existent|invalid|bad|illegal|undeliverable) (?:e-?mail |destination |virtual )?"
            "(?:address|alias|account)",
            "(?:account|address|alias)(?: name)? unknown",
            f"(?:account|address|alias){_NAMED}(?:does|did){_NOT} exist",
            f"(?:account|address|alias){_NAMED}(?:was |is )?"
            "not (?:found|known|valid|listed|a valid|available|on this|here)",
            f"(?:account|address|alias){_NAMED}(?:could|can){_NOT} be (?:found|verified)",
            f"{_WHO} (?:that )?you (?:entered|tried).{{0,60}}no?t (?:be )?(?:exist|found)",
            "no (?:such )?account\\b",
            "mailbox unavailable",
            "unrouteable address",
        ),
    ),
    BounceReason(
        "policy",
        "weak",
        words(
            "refused",
            "denied",
            "prohibit",
            "not (?:allowed|permitted|accepted|authori[sz]ed)",
            r"\bblocked\b",
            "refused by",
            r"relay(?:ing)?\b",
        ),
    ),
    BounceReason(
        "try-later",
        "between",
        words(
            "try-later",
            "gr[ae]y-?list",
            r"(?:try|retry|come back|again) (?:your (?:request|command) )?(?:again )?(?:\S{1,12} )?later",
            "temporarily (?:deferred|unavailable|rejected|not available)",
            "temporary (?:failure|error|local problem|lookup failure)",
        ),
    ),
    BounceReason(
        "network",
        "between",
        words(
            "network",
            "connection (?:was )?(?:refused|timed|reset|died|lost|dropped|closed)",
            "(?:network|host) (?:is )?(?:unreachable|down)",
            "no route",
            "timed ?out",
            "lost connection",
            "socket error",
            "not able to establish an smtp",
            f"(?:did{_NOT}|refused to) accept .{{0,30}}(?:connect|requests)",
            "(?:did not|not) (?:respond|responding|reached)",
        ),
    ),
)

# Addresses, pages and host names: "spam" in them says nothing of the mail.
_NAMES = re.compile(
    r"https?://\S+|\S*\S@\S+|(?<![\w.-])(?:[\w-]+\.)+(?:com|net|org|info|biz|edu|gov|example|test|invalid)\b"
    r"|(?<![\w.-])(?:[\w-]+\.){2,}[a-z]{2}\b"
)
_BLOCK_LIST = either(*_BLOCK_LISTS)


@lru_cache(maxsize=64)  # one report is asked several times
def first_reason(even: str, inner: str, about: frozenset[About]) -> BounceReason | None:
    """The first reason of one of these kinds in text made even; None without.

    What is ours is looked for in all of it, the rest in `inner`, the innermost answer that it quotes: "Unknown address
    error" around somebody's "blocked as spam" is no unknown address.
    """
    prose = _NAMES.sub("x", even)
    if "ours" in about and _BLOCK_LIST.search(even):  # a page of a block list is named on its own
        return _BY_BLOCK_LIST
    for reason in REASONS:
        if reason.about in about and reason.words.search(prose if reason.about == "ours" else inner):
            return reason
    return None


_BY_BLOCK_LIST = next(reason for reason in REASONS if reason.name == "policy")


# ---- What became of it ---------------------------------------------------------------------------------------

# They keep trying.
LATER = words(
    "later",
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
    "has been postponed",
    "temporary problem delivering",
    "transient non-fatal",
    "do ?no?t need to re-?send",
    "no action is required",
    "warning message only",
    "warning: (?:message|could not send)",
)
# Whatever else they say, it is over.
FINAL = words(
    "final",
    "failed permanently",
    "permanent(?:ly)? (?:fatal|error|failure|failed)",
    "giving up",
    "gave up",
    "will not be (?:re)?tried",
    "not going to try again",
)
FAILED = words(
    "failed",
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
    r"delivery (?:\S{1,120} ){0,6}(?:fail|(?:was|were|has been) aborted)",
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
    "(?:was|been) automatically rejected",
    "automatically rejected mail",
    "error (?:\\S{1,20} ){0,3}(?:sending|delivering|attempting to deliver)",
    "following (?:address|recipient).{0,40} (?:fail|rejected|problem|error)",
)

# Where a copy of the returned mail begins. Asked of the text as it came.
COPY = re.compile(
    r"^[ \t>]*(?:-{2,}[ ]?(?:below this line|this is a copy|(?:the )?original (?:message|headers?)"
    r"|(?:message|mail) (?:header|text)|(?:unsent|undelivered|returned) message|(?:the )?header of|forwarded)"
    r"|below is a copy of|original message headers?:|your message reads|return-path:[ ]|received:[ ]?from )",
    re.IGNORECASE | re.MULTILINE,
)


# ---- Robots --------------------------------------------------------------------------------------------------

# What gateways and filters put before a subject: "[External] ", "{Spam?} ", "***SPAM*** ", "(spam?) ".
_TAG = re.compile(
    r"(?:\[[^\[\]]{1,30}\]|\{[^{}]{1,30}\}|\([^()]{1,30}\)|\*{2,5}[^*]{1,30}\*{2,5}|<[^<>]{1,30}>)[ :-]*"
)
# What mail programs put before the subject of an answer or of mail passed on.
_ANSWER = re.compile(
    r"(?:re|aw|antw|antwort|sv|vs|ref|rif|res|r|odp|ynt|yanit|va|vl|wg|fwd?|fw|tr|rv|enc|i|doorst|pd|vb|vidarebef"
    r"|απ|пер|отв|答复|回复|回覆|转发|轉寄|返信|답장|전달)(?:\[\d{1,3}\])? ?[:：] ?"
)
CHALLENGE = either(
    "^(?:please )?(?:confirm|verify) (?:that )?(?:your |you are )(?:message|e-?mail|human|a human|identity)",
    "^sender (?:verification|confirmation)",
    "^are you human",
    "^your (?:e-?mail|message) (?:requires|is awaiting) (?:verification|approval|confirmation)",
)
_SHORT = 3  # "ooo" and "lu" begin words too


def bare_subject(subject: str) -> tuple[str, bool]:
    """A subject made even, without tags and marks of an answer in front; and whether there was one of an answer."""
    bare, answer = evened(subject), False
    for _ in range(8):
        tag, mark = _TAG.match(bare), _ANSWER.match(bare)
        if not tag and not mark:
            break
        answer = answer or bool(mark)
        bare = bare[(tag or mark).end() :]  # type: ignore[union-attr]
    return bare, answer


def is_automatic_subject(subject: str) -> bool:
    """Whether a robot's subject stands here, in any language of the large mail programs.

    A person who answers mail about a vacation writes "Re: Out of office hours": behind "Re:" the words count only with
    a colon of their own, as in "AW: Automatische Antwort: ...".
    """
    bare, answer = bare_subject(subject)
    for phrase in _table()["automatic"]:
        if bare.startswith(phrase):
            after = bare[len(phrase) :]
            if answer:
                return bool(re.match(r"\w* ?[:：]", after))
            return len(phrase) > _SHORT or not after[:1].isalnum()
    return bare.startswith("auto:") or bool(CHALLENGE.search(bare))


def receipt_subject(subject: str) -> Literal["read", "unread", ""]:
    """Whether a subject is that of a read receipt which a mail program wrote as a letter: "Gelesen: Hello"."""
    bare, answer = bare_subject(subject)
    for says in () if answer else ("unread", "read"):
        for phrase in _table()[says]:
            if bare.startswith(phrase) and re.match(r" ?[:：]", bare[len(phrase) :]):
                return "read" if says == "read" else "unread"
    return ""
