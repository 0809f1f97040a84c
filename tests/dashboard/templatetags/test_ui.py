"""The interface's tags and filters."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.utils import timezone
from django.utils.html import escape

from contacts.channels import Channel
from dashboard.shell.icons import ICONS
from dashboard.templatetags import ui
from deliveries.statuses import BUCKETS, Disposition


def rendered(source: str, **context: object) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize("name", ICONS)
def test_every_icon_is_well_formed_and_hidden_from_screen_readers(name):
    svg = ElementTree.fromstring(ui.icon(name))

    assert svg.get("aria-hidden") == "true"
    assert svg.get("viewBox") == "0 0 16 16"
    assert len(svg) > 0
    assert not any("style" in element.attrib for element in svg.iter())


@pytest.mark.parametrize("name", [*BUCKETS.values(), *Channel.values])
def test_every_bucket_and_channel_has_an_icon(name):
    assert name in ICONS


@pytest.mark.parametrize("disposition", Disposition)
def test_a_pill_says_the_word_of_its_bucket_beside_an_icon(disposition):
    html = rendered("{% pill disposition %}", disposition=disposition)

    assert f'data-b="{BUCKETS[disposition]}"' in html
    assert "<svg" in html
    assert escape(disposition.label) in html


def test_a_pill_takes_bucket_names_and_words_of_its_own():
    html = rendered('{% pill "permanent" "Mobile not found" %}')

    assert 'data-b="permanent"' in html
    assert "Mobile not found" in html


def test_a_plain_pill_has_no_icon():
    assert "<svg" not in rendered('{% pill "pending" "Sending" plain=True %}')


def test_what_is_no_disposition_is_unknown():
    assert ui.bucket("") == ui.bucket("SOMETHING") == "unknown"


def test_a_pill_escapes_its_label():
    assert "<b>" not in rendered("{% pill 'unknown' label %}", label="<b>")


def test_the_path_to_a_page_is_a_list_with_a_name():
    html = rendered('{% crumbs %}<li aria-current="page">{{ name }}</li>{% endcrumbs %}', name="<b>")

    assert html.startswith(
        '<nav class="crumbs" aria-label="Breadcrumb"><ol><li aria-current="page">&lt;b&gt;'
    )


def test_where_there_is_nothing_a_sentence_says_why_and_a_button_leads_on():
    source = "{% nothing title icon='search' url='/all/' action='Show all' %}\n  {{ why }}\n{% endnothing %}"

    html = rendered(source, title="None <here>", why="Too many & filters")

    assert "<h2>None &lt;here&gt;</h2>" in html
    assert "<p>Too many &amp; filters</p>" in html
    assert '<a class="btn" href="/all/">Show all</a>' in html
    assert "<svg" in html
    assert "<a" not in rendered("{% nothing 'None' %}So far.{% endnothing %}")


def test_lines_of_a_template_become_one_and_a_space_that_must_not_break_stays():
    html = rendered("{% oneline %}\n  <b>{{ n }}</b>\n  of\t5\u00a0000\n{% endoneline %}", n="<3>")

    assert html == "<b>&lt;3&gt;</b> of 5\u00a0000"


def test_a_channel_has_an_icon_and_its_name():
    html = rendered("{% channel channel %}", channel="rvm")

    assert "<svg" in html
    assert "Ringless voicemail" in html


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(seconds=-20), "now"),
        (timedelta(minutes=3, seconds=59), "3 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=13, hours=23), "13 d"),
        (-timedelta(minutes=30), "in 30 min"),
    ],
)
def test_an_age_is_told_in_the_shortest_words(age, words, monkeypatch, now):
    monkeypatch.setattr(timezone, "now", lambda: now)

    assert ui.ago(now - age) == words


def test_after_two_weeks_an_age_becomes_a_date(monkeypatch, now):
    monkeypatch.setattr(timezone, "now", lambda: now)

    assert ui.ago(now - timedelta(days=20)) == "12 Feb"
    assert ui.ago(now - timedelta(days=365)) == "4 Mar 2025"


def test_no_moment_is_a_dash():
    assert ui.ago(None) == ui.moment(None) == "—"


def test_a_moment_carries_the_absolute_time_and_its_zone(settings, monkeypatch, now):
    monkeypatch.setattr(timezone, "now", lambda: now)
    at = datetime(2026, 3, 4, 15, 4, 5, tzinfo=UTC)

    with timezone.override("America/New_York"):
        html = ui.moment(at)

    assert (
        html == '<time datetime="2026-03-04T15:04:05Z" title="4 Mar 2026, 10:04:05 EST">4 Mar, 10:04</time>'
    )


@pytest.mark.parametrize(
    ("style", "shown"), [("clock", "15:04"), ("day", "4 Mar 2026"), ("ago", "1 h"), ("time", "4 Mar, 15:04")]
)
def test_a_moment_is_shown_in_the_style_asked_for(style, shown, monkeypatch, now):
    monkeypatch.setattr(timezone, "now", lambda: now)

    assert f">{shown}</time>" in ui.moment(datetime(2026, 3, 4, 15, 4, 5, tzinfo=UTC), style)


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=20), "&lt;1 min"),
        (timedelta(minutes=6), "6 min"),
        (timedelta(days=3), "3 d"),
        (timedelta(days=40), "since 23 Jan"),
    ],
)
def test_the_time_something_has_been_waiting_is_a_length_or_begins_on_a_day(age, shown, monkeypatch, now):
    monkeypatch.setattr(timezone, "now", lambda: now)

    assert f">{shown}</time>" in ui.moment(now - age, "wait")


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [
        (507, 12_585, "4.0%"),
        (1, 12_585, "<0.1%"),
        (0, 12_585, "0%"),
        (12_584, 12_585, "99.9%"),
        (12_585, 12_585, "100%"),
        (0, 0, "—"),
        (3, None, "—"),
    ],
)
def test_a_share_never_shows_a_little_as_none_nor_nearly_all_as_all(count, total, shown):
    assert ui.share(count, total) == shown


def test_thousands_are_parted_and_words_pass():
    assert ui.thousands(12_585) == "12,585"
    assert ui.thousands("3 new") == "3 new"
    assert ui.thousands(None) == "—"


def test_an_address_is_masked():
    assert "0142" in ui.masked("+15125550142")
    assert "512555" not in ui.masked("+15125550142")


@pytest.mark.parametrize(("rate", "filled"), [(0.896, "48.00"), (0.5, "0.00"), (1, "100.00"), (None, "0.00")])
def test_the_gauge_runs_from_80_to_100_percent(rate, filled):
    assert ui.gauge(rate, "permanent")["filled"] == filled


@pytest.mark.django_db
def test_product_pages_carry_no_inline_script_or_style_and_the_token_once(rf):
    html = Template("{% extends 'ui/base.html' %}").render(
        Context({"csrf_token": "secret-token", "user": None, "request": rf.get("/"), "title": "Page"})
    )

    assert "<style" not in html
    assert " style=" not in html
    assert " onclick=" not in html
    assert all("src=" in tag for tag in html.split("<script")[1:])
    assert 'hx-headers="{&quot;X-CSRFToken&quot;: &quot;secret-token&quot;}"' in html
    assert "admin/css/base.css" not in html


def test_a_long_code_breaks_behind_its_underscores_and_nowhere_else():
    html = rendered('{% pill "permanent" "UNKNOWN_SUB<b>" plain=True %}')

    assert "UNKNOWN_<wbr>SUB&lt;b&gt;" in html


@pytest.mark.parametrize(
    ("files", "limit"),
    [(["css/ui.css"], 8192), (["js/ui.js", "js/charts.js"], 6144)],
    ids=["style", "script"],
)
def test_style_sheet_and_scripts_stay_light(files, limit):
    static = Path(__file__).resolve().parents[3] / "static"

    size = len(gzip.compress(b"".join((static / name).read_bytes() for name in files)))

    assert size <= limit
