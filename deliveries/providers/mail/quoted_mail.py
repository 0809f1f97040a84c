"""What a person wrote in an answer, without the mail of ours that their program quotes.

Programs mark what they quote in few ways, whatever the language: `>` before each line, a line such as "On ... wrote:"
above it, a block of headers, a line of dashes or underscores, `<blockquote>` in HTML. So it is found by its shape. When
in doubt a line is the person's: rather a quoted word too many than a STOP too few.
"""

from __future__ import annotations

import re

from deliveries.providers.mail.bounce_words import bare_subject, evened
from deliveries.providers.mail.mail_reading import Mail, plain
from deliveries.providers.mail.robots import is_bare_stop

LINES_MAX = 2_000
LINES_OF_A_STOP = 8  # no mail of ours is so short

_MARKED = re.compile(r"[ \t]*(?:>|\|[ \t]|&gt;)")
_SEPARATOR = re.compile(
    r"[ \t]*(?:_{10,}|[-=–—]{2,}[ ]?[^\d\W][^-=]{3,60}[-=–—]{2,}|-{2,} ?begin forwarded.*)[ \t]*$",
    re.IGNORECASE,
)
# "Von: News <news@example.com>", "À : Robin", "送信者: ...", "*From:* ...": a short name, a colon, something behind it.
_HEADER = re.compile(
    r"[ \t*]*([^\W\d_][^\s:：@<>/]{0,19}(?:[ -][^\s:：@<>/]{1,14}){0,2})[ \t*]*[:：][ \t*]*(\S.*)"
)
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}")
_CLOCK = r"\d{1,2}[:.h]\d{2}"
_DAY = r"(?:\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d{1,2}月)"
_DATE = re.compile(rf"{_DAY}.*{_CLOCK}|{_CLOCK}.*{_DAY}|{_DAY}", re.IGNORECASE)
# "From" at the head of a quoted mail, in the languages of the large mail programs.
_FROM = frozenset(
    map(
        evened,
        (
            "From", "Von", "De", "Da", "Van", "Från", "Fra", "Lähettäjä", "Od", "Feladó", "De la", "От", "Від",
            "Kimden", "Gönderen", "Από", "מאת", "من", "差出人", "送信者", "发件人", "寄件者", "寄件人", "보낸 사람",
            "보낸사람",
            "Dari", "Từ", "จาก", "Expéditeur", "Absender", "Remitente", "Mittente", "Remetente", "Afzender", "Nadawca",
        ),
    )
)  # fmt: skip
# "wrote" in a line above what is quoted that names neither an address nor a time.
_WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|a ecrit|escribio|ha scritto|escreveu|schreef|skrev|napisal(?:\(?a\)?|a)?|kirjoitti"
    r"|napsala?|irta|yazdi|написал(?:а|\(а\))?|пише|пишет|写道|寫道|のメール|님이 작성)"
)
# "I wrote to you on 3/4/2026 already:" is what a person says of themselves.
_FIRST_PERSON = re.compile(r"\b(?:i|we|ich|wir|ik|wij|we|jag|jeg|vi|ja|я|мы)\b")
_BLOCK = 3
_ATTRIBUTION_MAX = 4  # lines that one "On ... wrote:" may be folded into

_QUOTED_HTML = re.compile(
    r"<(?:div|span|p|hr|table)\b[^<>]{0,300}\b(?:id|class)=[\"']?(?:x_)?(?:divrplyfwdmsg|appendonsend|gmail_quote|yahoo_quoted"
    r"|moz-cite-prefix|protonmail_quote|olk_src_body_section|mail-editor-reference-message-container)",
    re.IGNORECASE,
)
_BLOCKQUOTE = re.compile(r"<blockquote\b.*?(?:</blockquote\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def own_words(mail: Mail) -> str:
    """What the person wrote; '' when all of it is quoted."""
    text = mail.text_of("text/plain")
    if not text.strip():
        page = mail.text_of("text/html")
        quoted = _QUOTED_HTML.search(page)
        text = plain(_BLOCKQUOTE.sub("\n", page[: quoted.start()] if quoted else page))
    return without_quotes(text, mail.headers.get("subject", ""))


def without_quotes(text: str, subject: str = "") -> str:
    """A text without what it quotes. `subject`: of the mail; a quoted mail repeats it among its headers."""
    lines = text.splitlines()[:LINES_MAX]
    kept: list[str] = []
    at = 0
    while at < len(lines):
        above = any(line.strip() for line in kept)
        if _MARKED.match(lines[at]) and (above or not _says_stop(lines[at:])):
            at += 1
            continue
        quote = _quote_begins(lines, at, subject, above=above)
        if quote > at and _says_stop(lines[at:quote]):
            quote = at
        if quote == len(lines):
            break
        if quote > at:
            at = quote
            continue
        kept.append(lines[at])
        at += 1
    return "\n".join(kept).strip()


def _says_stop(lines: list[str]) -> bool:
    """Whether what looks like a quote says STOP and nothing else: "-- STOP --", or a form that somebody filled in."""
    few = [line for line in lines if line.strip()]
    if len(few) > LINES_OF_A_STOP:
        return False
    fields = [found for line in few if (found := _HEADER.match(line))]
    others = (line for line in few if not _HEADER.match(line) and not line.rstrip().endswith((":", "：")))
    return is_bare_stop("\n".join(others)) or any(is_bare_stop(found[2]) for found in fields)


def _quote_begins(lines: list[str], at: int, subject: str, *, above: bool) -> int:
    """Where a quote that begins at `at` ends: with the text, unless `>` marks its lines; `at` when none begins."""
    if _SEPARATOR.match(lines[at]) or _is_header_block(lines, at, subject, above=above):
        return len(lines)
    end = _attribution_ends(lines, at)
    if end == at:
        return at
    following = next((line for line in lines[end:] if line.strip()), "")
    return end if _MARKED.match(following) else len(lines)


def _is_header_block(lines: list[str], at: int, subject: str, *, above: bool) -> bool:
    """Three lines or more like headers, one with an address or a date. Without words of the person above it, it must
    also begin like the head of a mail or repeat the subject: a form that they filled in has such lines too.
    """
    headers: list[tuple[str, str]] = []
    for line in lines[at : at + 12]:
        header = _HEADER.match(line)
        if not header and (not line.startswith((" ", "\t")) or not headers):
            break
        if header:
            headers.append((evened(header[1]), header[2]))
    if not headers:
        return False
    first = headers[0]
    if first[0] in _FROM and _ADDRESS.search(first[1]):
        return True
    if len(headers) < _BLOCK or not any(
        _ADDRESS.search(value) or _DATE.search(value) for _, value in headers
    ):
        return False
    bare, _ = bare_subject(subject)
    return above or first[0] in _FROM or any(bare and bare_subject(value)[0] == bare for _, value in headers)


def _attribution_ends(lines: list[str], at: int) -> int:
    """Behind the line "On ..., ... wrote:" that begins at `at`, folded or not; `at` when there is none."""
    joined = ""
    for end in range(at, min(at + _ATTRIBUTION_MAX, len(lines))):
        if not lines[end].strip():
            break
        joined = f"{joined} {lines[end].strip()}"
        if lines[end].rstrip().endswith((":", "：")) or _WROTE.search(evened(lines[end])[-12:]):
            return end + 1 if _is_attribution(joined.strip()) else at
    return at


def _is_attribution(line: str) -> bool:
    """Whether a line that ends with a colon says who wrote when: two of an address, a time and a verb for writing."""
    even = evened(line)
    wrote = _WROTE.search(even) and not _FIRST_PERSON.search(even)
    signs = (_ADDRESS.search(line), _DATE.search(line), wrote)
    return len(line) <= 300 and sum(map(bool, signs)) >= 2
