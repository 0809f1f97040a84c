"""Who calls, and by which scheme, seen past our own proxies."""

from __future__ import annotations

import time
from ipaddress import ip_network

import pytest

from config.peers import caller, trusted_headers

OURS = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48")]
X, F = "X-Forwarded-For", "Forwarded"
# Who opened the connection, the header's lines, who it was.
X_FORWARDED_FOR = [
    ("127.0.0.1", [], "127.0.0.1"),
    ("198.51.100.9", [], "198.51.100.9"),
    ("127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
    # Whoever is no proxy of ours may say what they like.
    ("198.51.100.9", ["192.0.2.1"], "198.51.100.9"),
    ("127.0.0.1", ["192.0.2.1, 198.51.100.9"], "198.51.100.9"),
    ("127.0.0.1", ["192.0.2.1", "198.51.100.9"], "198.51.100.9"),
    ("127.0.0.1", ["10.0.0.7, 198.51.100.9"], "198.51.100.9"),
    # A chain of our own.
    ("127.0.0.1", ["198.51.100.9, 10.0.0.7, 10.1.2.3"], "198.51.100.9"),
    ("127.0.0.1", ["192.0.2.1, 198.51.100.9, 10.0.0.7"], "198.51.100.9"),
    ("127.0.0.1", ["10.0.0.7, 10.1.2.3"], "10.0.0.7"),
    # Ways to write one.
    ("127.0.0.1", ["198.51.100.9:4711"], "198.51.100.9"),
    ("127.0.0.1", ["[2001:db8::9]:4711"], "2001:db8::9"),
    ("127.0.0.1", ["2001:DB8:0::9"], "2001:db8::9"),
    ("127.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
    ("::ffff:127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
    ("2001:db8:aaaa::1", ["2001:db8::9"], "2001:db8::9"),
    ("127.0.0.1", ["  198.51.100.9  ,"], "198.51.100.9"),
    # What cannot be read is nobody, and nobody else either.
    ("127.0.0.1", ["192.0.2.1, unknown"], ""),
    ("127.0.0.1", ["192.0.2.1, _hidden, 10.0.0.7"], ""),
    ("127.0.0.1", ["192.0.2.1, 198.51.100.256"], ""),
    ("127.0.0.1", ["192.0.2.1, ٣.١.١.١"], ""),
    ("", ["192.0.2.1"], ""),
    ("/run/socket", ["192.0.2.1"], "/run/socket"),
]
FORWARDED = [
    ("127.0.0.1", ["for=198.51.100.9"], "198.51.100.9"),
    ("127.0.0.1", ["For=198.51.100.9;proto=https;by=10.0.0.7"], "198.51.100.9"),
    ("127.0.0.1", ["proto=https; for=198.51.100.9:4711"], "198.51.100.9"),
    ("127.0.0.1", ['for="[2001:db8::9]:4711"'], "2001:db8::9"),
    ("127.0.0.1", ['for="[2001:db8::9]"'], "2001:db8::9"),
    ("127.0.0.1", ['for="198.51.100.9:4711", for=10.0.0.7'], "198.51.100.9"),
    ("127.0.0.1", ["for=192.0.2.1", "for=198.51.100.9"], "198.51.100.9"),
    ("198.51.100.9", ["for=192.0.2.1"], "198.51.100.9"),
    ("127.0.0.1", ["for=192.0.2.1, proto=https"], ""),
    ("127.0.0.1", ["for=192.0.2.1, for=unknown"], ""),
    ("127.0.0.1", ["for=_gazonk"], ""),
    # Behind a quote that is left open nobody knows what our proxy wrote.
    ("127.0.0.1", ['for="192.0.2.1, for=198.51.100.9'], ""),
    ("127.0.0.1", ['for="192.0.2.1', "for=198.51.100.9"], ""),
    ("127.0.0.1", ['by="for=192.0.2.1";for=198.51.100.9'], "198.51.100.9"),
    ("127.0.0.1", ['by=";for=192.0.2.1";for=198.51.100.9'], "198.51.100.9"),
    ("127.0.0.1", ["xfor=192.0.2.1;for=198.51.100.9"], "198.51.100.9"),
]


def headers(name, lines):
    return [(b"host", b"x"), *((name.lower().encode(), line.encode()) for line in lines)]


@pytest.mark.parametrize(("peer", "lines", "found"), X_FORWARDED_FOR)
def test_the_caller_is_the_last_hop_that_is_no_proxy_of_ours(peer, lines, found):
    assert caller(peer, headers(X, lines), OURS, X) == found


@pytest.mark.parametrize(("peer", "lines", "found"), FORWARDED)
def test_the_same_is_read_from_the_standard_header(peer, lines, found):
    assert caller(peer, headers(F, lines), OURS, F) == found


@pytest.mark.parametrize(("ours", "other", "spoofed"), [(X, F, "for=192.0.2.1"), (F, X, "192.0.2.1")])
def test_the_header_that_our_proxies_do_not_write_says_nothing(ours, other, spoofed):
    assert caller("127.0.0.1", headers(other, [spoofed]), OURS, ours) == "127.0.0.1"


def test_without_proxies_of_ours_it_is_whoever_opened_the_connection():
    assert caller("127.0.0.1", headers(X, ["192.0.2.1"]), [], X) == "127.0.0.1"


QUOTED_BY_OURS = 'for="[2001:db8::9]:4711"'


@pytest.mark.parametrize(
    "written",
    ['for=192.0.2.1;x="', 'for=192.0.2.1, x="', '"', 'for=192.0.2.1;x="\\', 'x="a";y="', 'for="192.0.2.1'],
)
@pytest.mark.parametrize("joined", [True, False])
def test_a_quote_left_open_by_the_caller_hides_nobody(written, joined):
    lines = [f"{written}, {QUOTED_BY_OURS}"] if joined else [written, QUOTED_BY_OURS]

    assert caller("127.0.0.1", [(b"forwarded", one.encode()) for one in lines], OURS, F) in (
        "",
        "2001:db8::9",
    )


def test_what_a_proxy_quotes_of_the_callers_is_no_parameter_of_its_own():
    line = b'by=10.0.0.1;host="a;for=192.0.2.1;b";for=198.51.100.9'

    assert caller("127.0.0.1", [(b"forwarded", line)], OURS, F) == "198.51.100.9"


@pytest.mark.parametrize(
    "written", ['"' + '\\"' * 30_000, 'for="' + '\\"' * 30_000, ";for=" * 12_000, "," * 60_000]
)
@pytest.mark.parametrize("header", [X, F])
def test_a_header_of_any_length_is_read_at_once(written, header):
    began = time.process_time()

    caller("127.0.0.1", [(header.lower().encode(), written.encode())], OURS, header)

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("127.0.0.1", True),
        ("10.0.0.7", True),
        ("::ffff:10.0.0.7", True),
        ("2001:db8:aaaa::1", True),
        ("198.51.100.9", False),
        ("", False),
        ("/run/socket", False),
    ],
)
@pytest.mark.parametrize("name", [b"x-forwarded-proto", b"X-Forwarded-Proto"])
def test_only_a_proxy_of_ours_says_by_which_scheme_we_were_called(peer, believed, name):
    given = [(b"host", b"x"), (name, b"https"), (b"x-forwarded-for", b"127.0.0.1")]

    kept = trusted_headers(peer, given, OURS)

    assert kept == (given if believed else [given[0], given[2]])
