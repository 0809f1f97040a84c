"""What mail servers say of mail that they did not deliver: codes, reasons in words, and whose servers they are.

Enhanced codes are those of RFC 3463, replies those of RFC 5321. What they mean stands in `codes/smtp.csv`; Gmail,
Microsoft and Yahoo give some of them meanings of their own, which stand in tables of their names.
"""

from __future__ import annotations

import re

from deliveries.providers.bounce_words import REASONS, evened

WORDS_MAX = 3_000

# Not part of an IP address or a version number, which look alike: subjects end at 7.
_ENHANCED = r"(?<![\d.])([245]\.[0-7]\.\d{1,3})(?!\.?\d)"
_BESIDE_ITS_REPLY = re.compile(r"(?<![\d.])([245])[0-57]\d[ -]#?(\1\.[0-7]\.\d{1,3})(?!\.?\d)")
_ANYWHERE = re.compile(_ENHANCED)
_REPLIES = (
    re.compile(r"\s*([245][0-57]\d)(?=[ -]|$)"),
    re.compile(
        r"(?:said|says|reply|replied|response|returned|error|smtp)\W{1,4}([245][0-57]\d)(?=[ -]|$)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w.:-])([45][0-57]\d)[ -]#?[45]\.[0-7]\.\d"),
    re.compile(r"(?:^|[<>\"'(:;]\s*|\n\s*)([45][0-57]\d)(?=[ -]\D)"),
)
_MAILBOXES = (
    ("gmail", re.compile(r"(?:.+\.)?(?:google|googlemail|gmail)\.com")),
    (
        "microsoft",
        re.compile(
            r"(?:.+\.)?(?:outlook|office365|hotmail|msn|live)\.com|(?:.+\.)?(?:office365\.us|mx\.microsoft)"
            r"|(?:hotmail|outlook|live|msn)\.(?:com?\.)?[a-z]{2}"
        ),
    ),
    # yahoo.co.jp is another company's.
    (
        "yahoo",
        re.compile(
            r"(?:.+\.)?(?:yahoodns\.net|(?:yahoo|ymail|rocketmail|aol|aim|verizon)\.(?:com|net))"
            r"|yahoo\.(?!co\.jp)(?:com?\.)?[a-z]{2}"
        ),
    ),
)  # fmt: skip


def enhanced_code(text: str) -> str:
    """The enhanced status code (5.1.1) in a server's words, preferably one that stands beside its reply; else ''."""
    beside = _BESIDE_ITS_REPLY.search(text)
    if beside:
        return beside[2]
    found = _ANYWHERE.search(text)
    return found[1] if found else ""


def smtp_code(text: str) -> str:
    """The three-digit reply (550) in a server's words; '' when there is none."""
    for pattern in _REPLIES:
        found = pattern.match(text) if pattern is _REPLIES[0] else pattern.search(text)
        if found:
            return found[1]
    return ""


def mailbox_of(host_or_domain: str) -> str:
    """Whose mailboxes are behind a mail host or the domain of an address: gmail, microsoft, yahoo, or ''."""
    host = host_or_domain.strip().rpartition("@")[2].strip("<>[]. ").lower()
    return next((name for name, pattern in _MAILBOXES if pattern.fullmatch(host)), "")


# ---- What the words say ------------------------------------------------------------------------------------

# Codes that servers use for any refusal: words that say more come before them.
_VAGUE = re.compile(r"\d{3}|[245]\.[02345]\.0")
# "No such user" and "not from you" alike; their rows mean the former, as most do.
_CATCH_ALL = {"550", "551", "553"}
_TRIED_TOO_LONG = re.compile(r"[45]\.4\.(?:7|300)")
_ABOUT_THE_ADDRESS = {"text/no-such-user", "text/no-such-host", "text/moved"}
_PASSING = {"text/mailbox-full", "text/disabled", "text/expired", "text/network", "text/too-fast"}
_YAHOOS_OWN = re.compile(r"\[((?:TSS|TS|BL|PH|GL|RL|IPTS)\d{2})\]")
_HOST = re.compile(r"(?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?![\w@-])", re.IGNORECASE)


def text_reason(words: str) -> str:
    """The reason that a server gives in words, as a code `text/...`; '' when it gives none that we know."""
    words = evened(words[:WORDS_MAX])
    return next((f"text/{name}" for name, pattern in REASONS if pattern.search(words)), "")


def reason_code(status: str, words: str, mailbox: str = "") -> str:
    """The code that says most: of the report's own `status`, those in the server's words, and the words themselves.

    A report often says 5.0.0 or 5.1.1 where the server it quotes said 5.7.1; but that the time ran out only the
    report knows. Codes that say little, such as a bare 550, give way to words that say more.
    """
    words = words[:WORDS_MAX]
    own = _YAHOOS_OWN.search(words) if mailbox == "yahoo" else None
    if own:
        return own[1]
    told, reply = enhanced_code(words), smtp_code(words)
    keep = _TRIED_TOO_LONG.fullmatch(status) or _says(status) > _says(told)
    best = (status if keep else told or status) or reply
    # Sendmail writes 5.1.1 for every bare 550.
    guessed = bool(best == "5.1.1" and not told and reply)
    if best and not guessed and not _VAGUE.fullmatch(best):
        return best
    by_text = text_reason(words)
    if by_text in _ABOUT_THE_ADDRESS and (guessed or best in _CATCH_ALL):
        return best
    if best.startswith("4") and by_text not in _PASSING:
        return best
    return by_text or best


def _says(code: str) -> int:
    """How much an enhanced code says: nothing (''), that something failed (5.0.0), where (5.1.0), or what (5.1.1)."""
    _, _, rest = code.partition(".")
    subject, _, detail = rest.partition(".")
    return (1 + (subject != "0") + (detail != "0")) if rest else 0


def unexplained(code: str, words: str) -> bool:
    """Whether this is a refusal that may as well be our fault as the recipient's, without a word on which it is."""
    return code in _CATCH_ALL and not text_reason(words)


def blames_recipient(code: str) -> bool:
    """Whether a code that no enhanced code stands beside says that the address is wrong."""
    return code in _CATCH_ALL or code in _ABOUT_THE_ADDRESS


def mailbox_in(words: str) -> str:
    """Whose servers speak here, by the host names in their words."""
    return next(filter(None, (mailbox_of(host) for host in _HOST.findall(words[:WORDS_MAX])[:40])), "")
