"""Pictures and recordings: what is taken, and what is refused as providers would."""

from __future__ import annotations

import contextlib
import io
import math
import random
import struct
import wave

import pytest

from campaigns import uploads
from campaigns.uploads import NotUsable, read

pytestmark = pytest.mark.once

JPEG, PNG = b"\xff\xd8\xff\xe0" + b"0" * 996, b"\x89PNG\r\n\x1a\n" + b"0" * 992


def wav(seconds=8.0, loudness=0.5, rate=8_000, width=2):
    octets = io.BytesIO()
    with wave.open(octets, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        count = int(seconds * rate)
        if width == 2:
            samples = (int(loudness * 32_767 * math.sin(n / 3)) for n in range(count))
            sound.writeframes(struct.pack(f"<{count}h", *samples))
        else:
            sound.writeframes(b"\x80" * count * width)
    return octets.getvalue()


# 128 kbit/s at 44,100 samples a second: 1,152 samples in 417 octets. A tag that holds what looks like a frame.
FRAME = b"\xff\xfb\x90\x00" + bytes(413)
TAG = b"ID3\x04\x00\x00\x00\x00\x02\x00" + FRAME[:4] * 64
ABOUT = FRAME[:36] + b"Xing" + b"\xff" * 8 + bytes(369)  # promises a length of its own


def mp3(frames=100):
    return ABOUT + FRAME * frames


@pytest.mark.parametrize(
    ("channel", "octets", "words"),
    [
        ("mms", JPEG, "JPG, 1 KB"),
        ("mms", PNG, "PNG, 1 KB"),
        ("mms", b"GIF89a" + b"0" * 3000, "GIF, 2 KB"),
        ("voice", wav(), "WAV, 125 KB, 8 s"),
        ("rvm", wav(width=1), "WAV, 62 KB, 8 s"),
        ("voice", mp3(), "MP3, 41 KB, 3 s"),
        ("rvm", TAG + mp3() + b"TAG" + bytes(125), "MP3, 41 KB, 3 s"),
    ],
)
def test_a_file_is_what_it_contains(channel, octets, words):
    assert read(channel, octets, "long_code_us").words == words


@pytest.mark.parametrize(
    ("channel", "octets", "kind", "why"),
    [
        ("mms", b"<svg onload=alert(1)>", "long_code_us", "no JPEG, PNG or GIF file"),
        ("mms", wav(), "long_code_us", "no JPEG, PNG or GIF file"),
        ("voice", JPEG, "long_code_us", "no WAV or MP3 file"),
        ("voice", b"", "long_code_us", "no WAV or MP3 file"),
        ("voice", b"RIFF0000WAVEjunk", "long_code_us", "cannot be read"),
        ("voice", wav(seconds=0), "long_code_us", "no sound in it"),
        ("voice", wav()[:44], "long_code_us", "no sound in it"),
        ("voice", wav()[:45], "long_code_us", "no sound in it"),
        ("voice", wav()[:30], "long_code_us", "cannot be read"),
        ("voice", wav(seconds=1, rate=3_999), "long_code_us", "has 3,999 samples a second"),
        ("voice", wav(seconds=0.1, rate=192_001), "long_code_us", "has 192,001 samples a second"),
        ("voice", b"ID3" + b"0" * 5000, "long_code_us", "no sound in it"),
        ("voice", b"\xff\xfb" + b"0" * 5000, "long_code_us", "no sound in it"),
        ("voice", ABOUT, "long_code_us", "no sound in it"),
        ("voice", TAG, "long_code_us", "no sound in it"),
        ("mms", JPEG * 500, "toll_free", "It has 488 KB, and 450 KB fit."),
        ("mms", JPEG * 800, "long_code_us", "It has 781 KB, and 768 KB fit."),
        ("rvm", b"ID3" + b"0" * 10_485_760, "", "make it smaller"),
    ],
)
def test_what_providers_do_not_take_is_refused_with_the_way_out(channel, octets, kind, why):
    with pytest.raises(NotUsable, match=why):
        read(channel, octets, kind)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (wav(), []),
        (wav(seconds=4), ["Five seconds or less"]),
        (wav(loudness=0.02), ["Quiet: its loudest moment is 34 dB below"]),
        (wav(loudness=1.0), ["As loud as can be"]),
    ],
)
def test_what_is_taken_and_may_sound_bad_is_said(octets, words):
    remarks = read("rvm", octets, "").remarks

    assert [one[: len(said)] for one, said in zip(remarks, words, strict=True)] == words


def test_the_length_is_that_of_the_sound_and_not_what_the_header_promises():
    whole = wav(seconds=8)

    assert read("voice", whole[: 44 + 2 * 8_000 * 6], "").seconds == 6


@pytest.mark.parametrize(
    ("octets", "seconds"),
    [
        (mp3(441), 441 * 1_152 / 44_100),
        (mp3(50) + FRAME[:300], 50 * 1_152 / 44_100),  # cut off
        (mp3(50) + b"\x00" * 500 + FRAME * 50, 100 * 1_152 / 44_100),  # damaged in between
        ((b"\xff\xe3\x18\xc4" + bytes(68)) * 100, 100 * 576 / 8_000),  # MPEG 2.5, 8 kbit/s, as of telephones
        ((b"\xff\xfd\x84\x00" + bytes(380)) * 100, 100 * 1_152 / 48_000),  # layer II
        (b"".join(FRAME[:2] + bytes([at << 4]) + bytes(144_000 * rate // 44_100 - 3)
                  for at, rate in ((9, 128), (5, 64), (11, 192)) * 10), 30 * 1_152 / 44_100),  # another rate each
    ],
)  # fmt: skip
def test_the_length_of_an_mp3_is_that_of_its_whole_frames(octets, seconds):
    assert read("voice", octets, "").seconds == pytest.approx(seconds)


def altered(octets: bytes, dice: random.Random) -> bytes:
    """Some octets are others, some are gone, some are new; most of all in the header."""
    made = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(min(len(made), dice.choice((64, 4_096)))) if made else 0
        match dice.randrange(4):
            case 0:
                made[at : at + 1] = bytes([dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))])
            case 1:
                made[at : at + 4] = dice.randbytes(4)
            case 2:
                del made[at : at + dice.choice((1, 2, 4, len(made)))]
            case _:
                made[at:at] = dice.randbytes(dice.randint(1, 8))
    return bytes(made)


def test_whatever_a_file_was_altered_to_it_is_read_or_refused(tmp_path):
    files = {
        "wav": wav(seconds=0.05), "png": PNG, "jpg": JPEG, "gif": b"GIF89a" + b"0" * 90, "mp3": mp3(20),
    }  # fmt: skip
    dice = random.Random(4)
    for n in range(2_000):
        ending = "wav" if n % 2 else dice.choice(list(files))
        octets = altered(files[ending], dice)
        for channel in ("mms", "voice"):
            with contextlib.suppress(NotUsable):
                assert read(channel, octets, "long_code_us").octets == len(octets)
        path = tmp_path / f"kept.{ending}"
        path.write_bytes(octets)

        facts = uploads.facts_of(path)

        assert (facts.octets, facts.ending) == (len(octets), ending)
        least = 990 if ending == "mp3" else uploads.RATES[0]  # octets of a second
        assert facts.seconds is None or 0 < facts.seconds <= len(octets) / least


def test_a_kept_recording_that_would_be_refused_today_says_so(tmp_path):
    path = tmp_path / "kept.wav"
    path.write_bytes(wav()[:44])

    facts = uploads.facts_of(path)

    assert (facts.words, facts.remarks) == (
        "WAV, 1 KB",
        ["The WAV file has no sound in it: record it again."],
    )


def test_a_file_is_kept_once_and_found_by_its_address(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path / "media"

    names = {uploads.store(JPEG, "jpg") for _ in range(2)}

    [name] = names
    path = uploads.stored(uploads.address(name))
    assert path.read_bytes() == JPEG
    assert [one.name for one in path.parent.iterdir()] == [name]
    elsewhere = f"https://elsewhere.example/media/{name}"
    for other in (elsewhere, uploads.address("../settings.py"), uploads.address(name[:-1]), ""):
        assert uploads.stored(other) is None


def test_it_is_served_without_a_log_in_as_what_it_is_and_as_nothing_else(client, settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path
    name = uploads.store(PNG, "png")

    served = client.get(f"/media/{name}")

    assert (served.status_code, b"".join(served.streaming_content)) == (200, PNG)
    assert (served["Content-Type"], served["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert "default-src 'self'" in served["Content-Security-Policy"]
    assert not served.cookies
    for gone in (name.replace("png", "jpg"), "0" * 40 + ".png", "x", "..%2fsettings.py"):
        assert client.get(f"/media/{gone}").status_code == 404
    assert client.post(f"/media/{name}").status_code == 405
