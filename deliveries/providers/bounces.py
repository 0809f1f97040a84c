"""What mail servers say when they refuse: the codes in their replies, and whose servers they are.

Enhanced codes are those of RFC 3463, replies those of RFC 5321. What they mean stands in `codes/smtp.csv`; Gmail,
Microsoft and Yahoo give some of them meanings of their own, which stand in tables of their names.
"""

from __future__ import annotations

import re

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
