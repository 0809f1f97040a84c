"""Pictures and recordings that are uploaded: what they are, whether carriers take them, and where they are kept.

A file is named by what is in it, so that it never changes and a second upload is no second file. Providers fetch it at
PUBLIC_URL (`public/media.py`). A picture travels in base64, by a third larger: the limits of `media_limits.csv` are for
the whole message, so three quarters of them are left for it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
import struct
import sys
import wave
from array import array
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from campaigns import mp3
from contacts.channels import Channel

PICTURE, RECORDING = "picture", "recording"
KINDS = {Channel.MMS: PICTURE, Channel.VOICE: RECORDING, Channel.RVM: RECORDING}
TYPES = {
    "jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "wav": "audio/wav", "mp3": "audio/mpeg",
}  # fmt: skip
BEGINS = [
    (PICTURE, "jpg", re.compile(rb"\xff\xd8\xff")),
    (PICTURE, "png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    (PICTURE, "gif", re.compile(rb"GIF8[79]a")),
    (RECORDING, "wav", re.compile(rb"RIFF....WAVE", re.DOTALL)),
    (RECORDING, "mp3", re.compile(rb"ID3|\xff[\xe2-\xff]")),
]
NAME = re.compile(rf"[0-9a-f]{{40}}\.(?:{'|'.join(TYPES)})")
PATH = "media"
MOST = 10 * 1_048_576  # octets of any upload, as media_limits.csv has it
LARGE = 500 * 1024  # SignalWire, Messaging MIME Types: below it pictures arrive best
SHORTEST = 5.0  # seconds: slyBroadcast takes what is longer
QUIET, CLIPPED = -20.0, -0.1  # dB below the loudest there is, of the loudest sample
SAMPLES = 400_000  # of a recording that are looked at
RATES = (4_000, 192_000)  # samples a second, from below telephones' 8,000 to the most that studios record


class NotUsable(ValueError):
    """Why a file is refused, with the way out; a sentence for whoever uploaded it."""


class MediaFacts(NamedTuple):
    """`seconds` and `peak` (dB, 0 is the loudest) are None where they are not read, as the peak of an MP3. `problem`:
    why a file that is kept would be refused today."""

    kind: str
    ending: str
    octets: int
    seconds: float | None = None
    peak: float | None = None
    problem: str = ""

    @property
    def words(self) -> str:
        """What it is: "WAV, 120 KB, 8 s"."""
        length = f", {self.seconds:.0f} s" if self.seconds is not None else ""
        return f"{self.ending.upper()}, {max(self.octets // 1024, 1):,} KB{length}"

    @property
    def remarks(self) -> list[str]:
        """What may be wrong with it, though carriers take it."""
        found = [self.problem] if self.problem else []
        if self.kind == PICTURE and self.octets > LARGE:
            found.append("Larger than 500 KB: some phones get it late or not at all. Make it smaller.")
        if self.seconds is not None and self.seconds <= SHORTEST:
            found.append("Five seconds or less: slyBroadcast refuses it. Say a little more.")
        if self.peak is not None and self.peak < QUIET:
            found.append(
                f"Quiet: its loudest moment is {-self.peak:.0f} dB below full scale. Make it louder."
            )
        if self.peak is not None and self.peak > CLIPPED:
            found.append("As loud as can be: it may be distorted. Make it a little quieter.")
        return found


def read(channel: str, octets: bytes, sender_kind: str) -> MediaFacts:
    """What an upload is, by what is in it and not by its name. Raises NotUsable."""
    wanted = KINDS[Channel(channel)]
    kind, ending = next(((kind, end) for kind, end, begins in BEGINS if begins.match(octets)), ("", ""))
    if kind != wanted:
        usable = "JPEG, PNG or GIF" if wanted == PICTURE else "WAV or MP3"
        raise NotUsable(f"This is no {usable} file, which is what providers take: save it as one.")
    limit, words = _limits()[wanted, sender_kind if wanted == PICTURE else ""]
    room = limit * 3 // 4 if wanted == PICTURE else limit
    if len(octets) > room:
        raise NotUsable(
            f"It has {len(octets) // 1024:,} KB, and {room // 1024:,} KB fit. {words}: make it smaller."
        )
    return _sound(ending, octets) if kind == RECORDING else MediaFacts(kind, ending, len(octets))


def store(octets: bytes, ending: str) -> str:
    """Keep a file that was read; its name."""
    name = f"{hashlib.sha256(octets).hexdigest()[:40]}.{ending}"
    path = settings.MEDIA_FOLDER / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{name}.{os.getpid()}.part")
        part.write_bytes(octets)
        part.replace(path)  # nobody fetches half of it
    return name


def address(name: str) -> str:
    """Where providers fetch it."""
    return f"{settings.PUBLIC_URL}/{PATH}/{name}"


def stored(url: str) -> Path | None:
    """The file behind an address of ours; None for any other, and for one that is gone."""
    before, _, name = url.rpartition("/")
    if before != f"{settings.PUBLIC_URL}/{PATH}" or not NAME.fullmatch(name):
        return None
    path: Path = settings.MEDIA_FOLDER / name
    return path if path.is_file() else None


def facts_of(path: Path) -> MediaFacts:
    """The same of a file that is kept, whatever is in it; read once, and again when it is another."""
    state = path.stat()
    return _kept_facts(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=200)
def _kept_facts(path: Path, octets: int, changed_at: int) -> MediaFacts:
    ending = path.suffix.lstrip(".")
    kind = PICTURE if TYPES[ending].startswith("image/") else RECORDING
    facts = MediaFacts(kind, ending, octets)
    if kind != RECORDING:
        return facts
    try:
        return _sound(ending, path.read_bytes())
    except NotUsable as problem:
        return facts._replace(problem=str(problem))


def _sound(ending: str, octets: bytes) -> MediaFacts:
    """By the sound that is there: a header may promise any length. Raises NotUsable."""
    if ending == "wav":
        return _wav(octets)
    seconds = mp3.seconds(octets)
    if seconds is None:
        raise NotUsable("The MP3 file has no sound in it that can be read: save it anew, as MP3 or WAV.")
    return MediaFacts(RECORDING, ending, len(octets), seconds)


def _wav(octets: bytes) -> MediaFacts:
    try:
        with wave.open(io.BytesIO(octets)) as sound:
            rate, width = sound.getframerate(), sound.getsampwidth()
            data = sound.readframes(sound.getnframes())
            frames = len(data) // (width * sound.getnchannels())
    except (wave.Error, EOFError, RuntimeError, struct.error) as problem:
        why = f" ({problem})" if str(problem) else ""
        raise NotUsable(f"The WAV file cannot be read{why}: save it as PCM with 16 bits.") from None
    if not frames:
        raise NotUsable("The WAV file has no sound in it: record it again.")
    if not RATES[0] <= rate <= RATES[1]:
        raise NotUsable(f"The WAV file has {rate:,} samples a second: save it with 8,000 or 16,000.")
    return MediaFacts(RECORDING, "wav", len(octets), frames / rate, _peak(data) if width == 2 else None)


def _peak(data: bytes) -> float:
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    some = samples[:: max(len(samples) // SAMPLES, 1)]
    loudest = max(max(some), -min(some), 1)
    return 20 * math.log10(loudest / 32_768)


@cache
def _limits() -> dict[tuple[str, str], tuple[int, str]]:
    with (Path(__file__).parent / "media_limits.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["kind"], row["sender"]): (int(row["octets"]), row["words"]) for row in rows}
