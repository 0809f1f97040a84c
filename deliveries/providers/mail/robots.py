"""Mail that no person wrote: out of office and the like, robots that ask who we are, read receipts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from contacts.keywords import classify
from deliveries.providers.mail.bounce_words import bare_subject, is_automatic_subject

_HEADERS = {"x-autoreply", "x-autorespond", "x-autoresponder", "x-challenge", "x-boxtrapper"}
_PRECEDENCE = {"auto_reply", "auto-reply", "bulk", "junk", "list"}
_NO_ANSWERS = {"all", "oof", "autoreply"}
STOP = {"stop", "unsubscribe"}
LONGEST_STOP = 100  # characters


def is_automatic_answer(headers: Mapping[str, str]) -> bool:
    """By the headers (RFC 3834, its forerunners, Microsoft's), or by the subject where a gateway took them off.

    Names are lower case; the subject is among them.
    """
    suppressed = re.split(r"[\s,;]+", headers.get("x-auto-response-suppress", "").lower())
    return bool(
        headers.get("auto-submitted", "no").partition(";")[0].strip().lower() not in ("no", "")
        or _HEADERS & set(headers)
        or headers.get("precedence", "").strip().lower() in _PRECEDENCE
        or _NO_ANSWERS & set(suppressed)
        or is_automatic_subject(headers.get("subject", ""))
    )


def is_bare_stop(words: str) -> bool:
    """Whether a mail says STOP, in any language, and nothing else. No robot does, however automatic a person's program
    makes it look; and no mail of ours that an answer might quote.
    """
    if len(words) > LONGEST_STOP:
        return False
    found = classify(words)
    return (found.kind == "stop" and not found.review) or bare_subject(words)[0].strip(".! ") in STOP
