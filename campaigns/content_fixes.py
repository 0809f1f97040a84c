"""What one click can do about a remark on a text. Pure."""

from __future__ import annotations

import re

from campaigns.content_rules import opt_out_lines
from campaigns.look_alikes import replaced

# Ways in which a text says how to get no more of them.
WAYS_OUT = re.compile(
    r"\b(?:STOP|ARRET|ARRÊT|BAJA|UNSUBSCRIBE)\b"
    r"|(?i:\b(?:reply|text|txt|send|write|antwort\w*|sende\w*|env\w+|répond\w+|respond\w*|rispond\w*|antwoord)\W+"
    r"(?:\w+\W+){0,2}?stop\b)"
    r"|(?i:\b(?:unsubscribe|opt[ -]?out|abmelden|désabonn\w*|darse de baja|afmelden)\b)"
)


def with_opt_out_line(body: str, country: str) -> str:
    """`body` with the line of that country below it; as it is where the country asks for none, or it has one."""
    line = opt_out_lines().get(country)
    if line is None or WAYS_OUT.search(body):
        return body
    return f"{body.rstrip()} {line.line}".strip()


def with_https(body: str) -> str:
    """`body` with its links encrypted."""
    return re.sub(r"\bhttp://", "https://", body, flags=re.IGNORECASE)


def fixed(body: str, fix: str, country: str = "US") -> str:
    """`body` after the fix that a remark names; as it is for any other word."""
    if fix == "opt_out_line":
        return with_opt_out_line(body, country)
    if fix == "replace_all":
        return replaced(body)
    return with_https(body) if fix == "https" else body
