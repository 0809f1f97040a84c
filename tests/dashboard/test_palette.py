"""The palette, recomputed from tokens.css: contrasts, and how far apart the buckets look to different eyes."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

from deliveries.statuses import BUCKETS

TOKENS = (Path(__file__).resolve().parents[2] / "static/css/tokens.css").read_text()
THEMES = ("light", "dark")
Colour = tuple[float, float, float]

# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency",
# table 1, severity 1.0, on linear RGB.
SIGHTS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def rgb(text: str) -> Colour:
    """#abc or #aabbcc as red, green, blue, 0..1."""
    digits = text.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def declared(name: str, css: str, theme: str) -> Colour:
    """The colour of `--name` in one theme."""
    found = re.search(rf"--{name}: light-dark\((#\w+), (#\w+)\)", css)
    assert found, name
    return rgb(found[1 + THEMES.index(theme)])


def token(name: str, theme: str) -> Colour:
    return declared(name, TOKENS, theme)


def of_bucket(bucket: str, name: str, theme: str) -> Colour:
    rule = TOKENS.partition(f"[data-b={bucket}]")[2].partition("}")[0]
    return declared(name, rule, theme)


def linear(colour: Colour) -> Colour:
    """sRGB to linear light (IEC 61966-2-1)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return red, green, blue


def luminance(colour: Colour) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2 contrast ratio, 1..21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: Colour, share: float, ground: Colour) -> Colour:
    """color-mix(in srgb, colour share, ground)."""
    red, green, blue = (c * share + g * (1 - share) for c, g in zip(colour, ground, strict=True))
    return red, green, blue


def seen(colour: Colour, sight: str) -> Colour:
    """Linear RGB as somebody with that sight sees it."""
    light = linear(colour)
    red, green, blue = (sum(m * c for m, c in zip(row, light, strict=True)) for row in SIGHTS[sight])
    return red, green, blue


def lab(light: Colour) -> Colour:
    """Linear RGB to CIE L*a*b*, D65."""
    red, green, blue = (min(max(c, 0), 1) for c in light)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ciede2000(one: Colour, other: Colour) -> float:
    """The distance of two L*a*b* colours (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    big_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    l_bar, c_bar = (l1 + l2) / 2, (c1 + c2) / 2
    h_bar = h1 + h2 if not c1 * c2 else (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * math.cos(math.radians(h_bar - 30))
        + 0.24 * math.cos(math.radians(2 * h_bar))
        + 0.32 * math.cos(math.radians(3 * h_bar + 6))
        - 0.20 * math.cos(math.radians(4 * h_bar - 63))
    )
    s_l = 1 + 0.015 * (l_bar - 50) ** 2 / math.sqrt(20 + (l_bar - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_bar, 1 + 0.015 * c_bar * t
    r_c = 2 * math.sqrt(c_bar**7 / (c_bar**7 + 25**7))
    r_t = -r_c * math.sin(math.radians(60 * math.exp(-(((h_bar - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, big_h / s_h
    return math.sqrt(dl**2 + dc**2 + dh**2 + r_t * dc * dh)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [  # pairs 1, 7, 13 and 25 of Sharma, Wu and Dalal's test data
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_distance_agrees_with_the_published_test_data(one, other, distance):
    assert ciede2000(one, other) == pytest.approx(distance, abs=2e-4)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_buckets_look_different(sight, theme):
    colours = {bucket: lab(seen(of_bucket(bucket, "c", theme), sight)) for bucket in BUCKETS.values()}

    closest = min((ciede2000(colours[a], colours[b]), a, b) for a, b in combinations(colours, 2))

    assert closest[0] >= 14, closest


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("bucket", BUCKETS.values())
def test_bars_stand_out_from_their_panel(bucket, theme):
    assert contrast(of_bucket(bucket, "c", theme), token("panel", theme)) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("bucket", BUCKETS.values())
@pytest.mark.parametrize("ground", ["panel", "accent-tint"])
def test_the_word_in_a_pill_can_be_read(ground, bucket, theme):
    fill = mixed(of_bucket(bucket, "c", theme), 0.14, token("panel", theme))
    behind = token(ground, theme) if bucket == "unknown" else fill

    assert contrast(of_bucket(bucket, "t", theme), behind) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["panel", "bg", "sunk", "raise", "accent-tint"])
@pytest.mark.parametrize("ink", ["ink", "ink2"])
def test_text_can_be_read_on_every_ground(ink, ground, theme):
    assert contrast(token(ink, theme), token(ground, theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_controls_and_links_stand_out(theme):
    assert contrast(token("ctl-line", theme), token("panel", theme)) >= 3
    assert contrast(token("accent", theme), token("panel", theme)) >= 4.5
    assert contrast(token("accent-ink", theme), token("accent", theme)) >= 4.5
