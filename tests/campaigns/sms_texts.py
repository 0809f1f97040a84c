"""Some 400 texts on which the counters of the server and of the browser have to agree: every boundary, and chance."""

from __future__ import annotations

from random import Random

from campaigns.look_alikes import look_alikes
from campaigns.segments import ALONE, EXTENSION, GSM, SPLIT, UCS2

EMOJI = "\U0001f600"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FLAG = "\U0001f1e9\U0001f1ea"
THUMB = "\U0001f44d\U0001f3fd"
PAIRS = [EMOJI, FAMILY, FLAG, THUMB, "\u2764\ufe0f", "1\ufe0f\u20e3", "\U00010348"]
LETTERS = "abc XYZ019.,?!@£ñÇ\n€{}[]~^|\\ç’“–…\u00a0\t`é\u0301ÁêŁ中ΑΒ" + EMOJI
WORDS = [
    "Hello {first_name}", "it’s", "Mañana", "Man\u0303ana", "¿Cómo estás?", "français", "FRANÇAIS", "e\u0301",
    "https://example.com/it’s", "www.example.com/a–b", "“quoted”", "{{ first_name }}", "{it’s}", "50 % off…",
    "Привет", "ΔΦΓ", "ΑΒ", "日本語", "A\u030a", "\u1100\u1161\u11a8", "\u200b", "\x1b", "\x0c", "100 €", *PAIRS,
]  # fmt: skip


def texts() -> list[str]:
    """The same ones on every run."""
    return ["", *WORDS, *_boundaries(), *_each_look_alike(), *_by_chance(120)]


def _boundaries() -> list[str]:
    """Around every limit up to the fourth part, of one character, and of one of two units at each seam."""
    made = []
    for parts in range(1, 5):
        for limit in {ALONE[GSM], parts * SPLIT[GSM]}:
            made += ["a" * (limit + more) for more in (-1, 0, 1)]
            made += ["a" * (limit - 1) + last for last in ("\n", "\t", "’", "`", "\u00a0", "ñ", "€")]
            made += ["a" * (limit - before) + "€" + "a" * 152 for before in (0, 1, 2)]
        for limit in {ALONE[UCS2], parts * SPLIT[UCS2]}:
            made += ["a" * (limit - 2 + more) + "’" for more in (0, 1, 2)]
            made += ["a" * (limit - before) + pair + "a" * 66 for pair in PAIRS for before in (0, 1, 2)]
    made += [one * count for one in EXTENSION.values() for count in (76, 77, 80, 81)]
    made += [EMOJI * count for count in (33, 34, 35, 36, 66, 67, 68)]
    return list(dict.fromkeys(made))


def _each_look_alike() -> list[str]:
    return [f"See you{one}there{one}" for one in look_alikes()]


def _by_chance(count: int) -> list[str]:
    chance = Random(160)
    return ["".join(chance.choices(LETTERS, k=chance.randint(1, 400))) for _ in range(count // 2)] + [
        " ".join(chance.choices(WORDS, k=chance.randint(1, 40))) for _ in range(count // 2)
    ]
