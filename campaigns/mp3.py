"""How long the sound of an MP3 is, by the frames that are there: headers and tags may promise any length.

A frame is a header of four octets and what it says follows (ISO/IEC 11172-3 and 13818-3; MPEG 2.5 halves the rates of
MPEG 2 once more). Tags before, between and after the frames are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# kbit/s by the four bits of the header; 0 is "free", which no telephone service takes, and 15 is not used.
_HIGH = {
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_LOW = {
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version
MPEG1 = 3  # as the header has it; 2 is MPEG 2, 0 is MPEG 2.5
HEADER = 4
ABOUT_THE_FILE = (b"Xing", b"Info", b"VBRI")  # a first frame with one of these is no sound
BEGIN_WITHIN = 200  # octets of that frame in which it stands
LOST = 65_536  # octets between frames in all; after more than that, what is there is no sound


class _Frame(NamedTuple):
    kind: tuple[int, int, int]  # version, layer, samples a second
    length: int  # octets
    samples: int


def seconds(octets: bytes) -> float | None:
    """Of whole frames; None where there is none."""
    length, before = 0.0, b""
    for place, frame in _frames(octets):
        first, before = not before, octets[place : place + BEGIN_WITHIN]
        if not (first and any(word in before[: frame.length] for word in ABOUT_THE_FILE)):
            length += frame.samples / frame.kind[2]
    return length or None


def _frames(octets: bytes) -> Iterator[tuple[int, _Frame]]:
    """Each with its place. The first is one that another of its kind follows, or the end: a few octets alone may look
    like the begin of a frame anywhere."""
    place, lost, kind = _after_tag(octets, 0), 0, None
    while place + HEADER <= len(octets) and lost <= LOST:
        frame = _frame(octets, place)
        if frame and place + frame.length <= len(octets) and frame.kind == (kind or frame.kind):
            end = place + frame.length
            following = _frame(octets, end)
            if kind or end == len(octets) or (following and following.kind == frame.kind):
                kind = frame.kind
                yield place, frame
                place = end
                continue
        behind = _after_tag(octets, place)
        found = behind if behind > place else octets.find(b"\xff", place + 1)
        if found < 0:
            return
        lost += 0 if behind > place else found - place
        place = found


def _after_tag(octets: bytes, place: int) -> int:
    """Where an ID3 tag at that place ends; the place itself where none is."""
    if octets[place : place + 3] != b"ID3" or place + 10 > len(octets):
        return place
    size = 0
    for each in octets[place + 6 : place + 10]:
        size = size << 7 | each & 0x7F
    footer = 10 if octets[place + 5] & 0x10 else 0
    return place + 10 + size + footer


def _frame(octets: bytes, place: int) -> _Frame | None:
    if place + HEADER > len(octets):
        return None
    first, second, third, _ = octets[place : place + HEADER]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    if first != 0xFF or second < 0xE0 or version == 1 or layer == 4:
        return None
    rates, at = _HIGH if version == MPEG1 else _LOW, third >> 4
    if at in (0, 15) or third >> 2 & 3 == 3:
        return None
    rate, padding = _RATES[version][third >> 2 & 3], third >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and version != MPEG1 else 1_152
    slot = 4 if layer == 1 else 1  # octets that padding adds
    length = (samples // 8 * rates[layer][at] * 1_000 // rate // slot + padding) * slot
    return _Frame((version, layer, rate), length, samples)
