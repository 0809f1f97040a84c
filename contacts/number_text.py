"""A typed or exported phone number brought to digits and plain marks, or refused with the reason.

phonenumbers finds a number in any text and dials letters as a keypad does; this asks first whether the text is one.
"""

from __future__ import annotations

import re
import unicodedata

_ALIKE = {
    "\N{MINUS SIGN}": "-",
    "\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}": "-",  # what a Japanese keyboard offers for a dash
    "\N{FRACTION SLASH}": "/",
    "\N{DIVISION SLASH}": "/",
    "\N{MIDDLE DOT}": ".",
    "\N{KATAKANA MIDDLE DOT}": ".",
}
_AROUND = " '\"`´‘’‚“”„ʼ.,;:"  # a spreadsheet's mark for text, quotation marks, the end of a sentence
_FORMULA = re.compile(r"\s*=\s*\"(.*)\"\s*", re.DOTALL)  # ="0512…", written by exports that keep the zeros
_SCHEME = re.compile(r"(?:tel|callto|sms)(?:[.:\s]\s*)+(?://)?(?=[+\d(\[])", re.IGNORECASE)
_PLAIN = re.compile(r"[(\[ -]*\+*[\d ()\[\]./-]*")
_NUMBER = r"[\d +()\[\]./-]*\d[\d ()\[\]./-]*"
_ROUNDED = re.compile(r"\+?\d+(?:[.,]\d+)?\s*(?:e\s*[+-]?|[x×*]\s*10\s*\^?\s*\+?)\s*\d{1,2}", re.IGNORECASE)
_AMOUNT = re.compile(r"\+?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?|[1-9]\d{4,}[.,]\d+|[^.,]*\d[.,]\d{1,2}")
_DATE = re.compile(r"(?:19|20)\d\d([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:19|20)\d\d")
_ZERO_DECIMALS = re.compile(r"\s*(\+?\d{5,})[.,]0+\s*")
_EXTENSION = re.compile(
    _NUMBER
    + r"(?:[\s,;-]*(?:(?:e?xt(?:ensi[oó]n|n)?|x|int|anexo|ramal|poste|доб|dw|durchwahl)(?![^\W\d])|#)|\s*[,;]+)"
    r"[\s.:=,-]*(\d{1,6})#?",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"[x*_?•●…]{2,}|\dn{2,}|[•●…]", re.IGNORECASE)
_SEVERAL = re.compile(r"\d[\s)]*(?:[,;|&\r\n/]|\b(?:or|and|o|y|ou|et|oder|und)\b)[\s(]*\+?\d", re.IGNORECASE)
_LAST_DIGITS_OF_ANOTHER = re.compile(r".*\d{3}.*/ *\d{1,3}")  # 030 123456/57

AS_TEXT = "In the spreadsheet, format the column as text and fill the numbers in again."
IN_DIGITS = "Write the number in digits."
ONE_ONLY = "Keep one number."


class NoNumber(ValueError):
    """The text is no phone number: `why` is the half of a sentence after "because", `remedy` a sentence or ''."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


def number_text(text: str) -> str:
    """The number with digits 0 to 9 and plain marks; a plus stands in front or nowhere. Raises NoNumber."""
    plain = _plain_marks(text)
    misleading = (_AMOUNT, _DATE, _LAST_DIGITS_OF_ANOTHER)
    if _PLAIN.fullmatch(plain) and not any(each.fullmatch(plain) for each in misleading):
        return plain
    raise _reason(plain)


def without_decimals(text: str) -> str:
    """A cell without the `.0` of a spreadsheet that took the number for a quantity; any other text as it is."""
    found = _ZERO_DECIMALS.fullmatch(_plain_marks(text))
    return found[1] if found else text


def _plain_marks(text: str) -> str:
    """Digits of every script, widths and kinds of dashes and blanks made alike; marks that nobody sees left out."""
    formula = _FORMULA.fullmatch(text)
    text = formula[1] if formula else text
    plain = text.replace("\t", " ") if text.isascii() else "".join(map(_plain_mark, text))
    return _SCHEME.sub("", plain.strip().strip(_AROUND), count=1).strip(_AROUND)


def _plain_mark(mark: str) -> str:
    if mark == "\t":
        return " "
    if mark.isascii():
        return mark
    if mark in _ALIKE:
        return _ALIKE[mark]
    digit = unicodedata.decimal(mark, None)
    if digit is not None:
        return str(digit)
    match unicodedata.category(mark):
        case "Cf":  # direction marks, zero-width blanks, soft hyphens
            return ""
        case "Zs":
            return " "
        case "Pd":
            return "-"
        case "No":  # a raised 2 is a footnote, no digit of the number
            return mark
    return unicodedata.normalize("NFKC", mark)


def _reason(plain: str) -> NoNumber:
    """Why this is no number, the narrowest reason first."""
    extension = _EXTENSION.fullmatch(plain)
    if not any(map(str.isdigit, plain)):
        return NoNumber("there are no digits to dial in it")
    if _ROUNDED.fullmatch(plain):
        return NoNumber("a spreadsheet rounded it, so its last digits are lost", AS_TEXT)
    if _AMOUNT.fullmatch(plain):
        return NoNumber("it is written as a quantity, with decimals or thousands", AS_TEXT)
    if _DATE.fullmatch(plain):
        return NoNumber("it is a date")
    if extension:
        return NoNumber(f"an extension ({extension[1]}) cannot be dialled; give the direct number")
    if _HIDDEN.search(plain):
        return NoNumber("some of its digits are hidden", IN_DIGITS)
    if _SEVERAL.search(plain):
        return NoNumber("more than one number stands in it", ONE_ONLY)
    if any(map(str.isalpha, plain)):
        return NoNumber("letters stand in it, and only keypads make digits of them", IN_DIGITS)
    strange = next(mark for mark in plain if mark == "+" or not _PLAIN.fullmatch(mark))
    if strange == "+":
        return NoNumber("a plus belongs in front of the country code only", ONE_ONLY)
    return NoNumber(f"“{strange}” is no part of a number", IN_DIGITS)
