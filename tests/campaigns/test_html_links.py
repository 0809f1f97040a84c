"""Which addresses in the HTML of a mail are links, and what becomes of them."""

from __future__ import annotations

import pytest

from campaigns import links
from campaigns.html_links import html_addresses, html_links

SHOP = "https://shop.example/sale?a=1&b=2"
SHORT = "https://go.example.com/l/X"


@pytest.fixture(autouse=True)
def _domains(settings):
    settings.PUBLIC_URL = "https://waybill.example.com"
    settings.LINK_URL = "https://go.example.com"


@pytest.mark.parametrize(
    ("html", "after"),
    [
        ('<a href="https://shop.example/sale?a=1&amp;b=2">x</a>', f'<a href="{SHORT}">x</a>'),
        ('<a href="https://shop.example/sale?a=1&b=2">x</a>', f'<a href="{SHORT}">x</a>'),
        (f"<A\n class=b  HREF = '{SHOP}' id=\"c\">x</A>", f"<A\n class=b  HREF = '{SHORT}' id=\"c\">x</A>"),
        (f"<a href={SHOP}>x</a>", f"<a href={SHORT}>x</a>"),
        (f'ü\r\n<p>\n<a\thref=" {SHOP} ">ü</a>', f'ü\r\n<p>\n<a\thref="{SHORT}">ü</a>'),
        (f'<a href="{SHOP}">{SHOP}</a>', f'<a href="{SHORT}">{SHOP}</a>'),
        (f'<a title="a > href={SHOP}" href="{SHOP}">', f'<a title="a > href={SHOP}" href="{SHORT}">'),
        (f'<a href="{SHOP}"><a href="{SHOP}">', f'<a href="{SHORT}"><a href="{SHORT}">'),
    ],
)
def test_a_link_is_known_by_what_it_means_and_nothing_around_it_changes(html, after):
    assert links.trackable_in_html(html) == [SHOP]
    assert links.replaced_in_html(html, {SHOP: SHORT}) == after


@pytest.mark.parametrize(
    "html",
    [
        "",
        f'<img src="{SHOP}">',
        f'<link href="{SHOP}"><area href="{SHOP}"><abbr href="{SHOP}">',
        f'<!-- <a href="{SHOP}">x</a> -->',
        f"<style>a {{ background: url({SHOP}) }} <a href='{SHOP}'></style>",
        f'<a data-href="{SHOP}" title="{SHOP}">{SHOP}</a>',
        f'<a title="href={SHOP}">x</a>',
        "<a>x</a><a href>x</a><a href=''>x</a><a href='#top'>x</a><a href='mailto:a@example.com'>x</a>",
        f'<a href="{SHOP}/{{code}}">x</a>',  # leads everybody elsewhere
        f'<a href="see {SHOP}">x</a>',
        '<a href="https://waybill.example.com/u/abc">x</a>',
        f'<a href="{SHOP}',  # never closed
        "<p>No link, &amp; a < b > c &nbsp;</p>\r\n",
    ],
)
def test_what_is_no_link_to_a_foreign_page_stays_to_the_letter(html):
    assert links.trackable_in_html(html) == []
    assert links.replaced_in_html(html, {SHOP: SHORT}) == html


def test_each_is_named_where_it_stands():
    html = "<p>\n<a href=\"https://a.example/?x&amp;y\">a</a> <a href='https://b.example/'>b</a></p>"

    assert [html[one.start : one.end] for one in html_links(html)] == [
        "https://a.example/?x&amp;y",
        "https://b.example/",
    ]
    assert html_addresses(html * 2) == ["https://a.example/?x&y", "https://b.example/"]


def test_a_page_full_of_beginnings_takes_no_time():
    assert html_addresses("<a " * 20_000 + "href=" * 20_000) == []
