"""Which links in a text leave as short ones, and how long they are then."""

from __future__ import annotations

import pytest

from campaigns import links

SHOP = "https://shop.example/sale?a=1&b=2#top"


@pytest.fixture(autouse=True)
def _domains(settings):
    settings.PUBLIC_URL = "https://waybill.example.com"
    settings.LINK_URL = "https://go.example.com"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"See {SHOP}.", [SHOP]),
        (f"({SHOP}) and {SHOP}, again", [SHOP]),
        ("https://shop.example/a_(b) now", ["https://shop.example/a_(b)"]),
        ("HTTPS://Shop.Example/x!", ["HTTPS://Shop.Example/x"]),
        ("http://a.example and https://b.example", ["http://a.example", "https://b.example"]),
        ("https://bücher.example/ü", ["https://bücher.example/ü"]),
        ("https://shop.example/{code}", []),  # leads everybody elsewhere
        ("https://{shop}.example/", []),
        ("https://waybill.example.com/u/abc and https://go.example.com/l/x", []),  # our own pages
        ("javascript:alert(1) data:text/html,x tel:+1 mailto:a@example.com ftp://shop.example", []),
        ("https://bank.example@evil.example/", []),  # the name in front passes for the host
        ("https:// http://", []),
        (f"https://shop.example/{'x' * 2_000}", []),
    ],
)
def test_only_what_leads_everybody_to_the_same_foreign_page_is_made_short(text, found):
    assert links.trackable(text) == found


def test_a_link_is_replaced_where_it_stands_and_nothing_around_it():
    short = {SHOP: "https://go.example.com/l/X", "https://shop.example/sale": "https://go.example.com/l/Y"}

    text = links.replaced(f"Go: {SHOP}. Or (https://shop.example/sale), {{name}}", short)

    assert text == "Go: https://go.example.com/l/X. Or (https://go.example.com/l/Y), {name}"


def test_segments_are_counted_by_the_length_that_links_leave_with():
    text = f"Sale: {SHOP}"

    counted = links.replaced(text, links.placeholders(text))

    assert len(counted) == len("Sale: https://go.example.com/l/") + links.CODE_LENGTH


@pytest.mark.parametrize(
    ("address", "location"),
    [
        (SHOP, SHOP),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://shop.example:8443/x", "https://shop.example:8443/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        (f"https://{'x' * 70}.example/", ""),  # no name that there could be
    ],
)
def test_what_stands_in_a_header_is_ascii(address, location):
    assert links.location(address) == location


@pytest.mark.parametrize(
    ("url", "on"),
    [
        ("https://go.example.com", True),
        ("http://go.example.com", False),
        ("https://192.0.2.7", False),
        ("https://waybill.local", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_clicks_are_counted_by_default_where_people_can_open_our_links(settings, url, on):
    settings.LINK_URL = url

    assert links.tracked_by_default() is on
