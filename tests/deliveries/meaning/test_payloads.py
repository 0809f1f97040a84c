"""Recorded callbacks of every provider, and what has to come out: `tests/payloads/`.

`<provider>.jsonl` holds what `manage.py translate` reads, `<provider>.expected.jsonl` what it must write. The
expectations are written by hand from the providers' documents, not taken from our own output.
"""

import base64
import json
import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliveries.meaning.payloads import body_of, understand
from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS

FOLDER = Path(__file__).resolve().parents[2] / "payloads"
AT = "2026-03-04T17:00:00Z"
# "KeyError: ", but not "ErrorCode: ", with which some adapters say what they cannot read.
RAISED = re.compile(r"[A-Z]\w*Error: ")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def recorded():
    return [
        line
        for path in sorted(FOLDER.glob("*.jsonl"))
        if ".expected." not in path.name
        for line in lines(path)
    ]


def expected():
    return {line["id"]: line for path in sorted(FOLDER.glob("*.expected.jsonl")) for line in lines(path)}


RECORDED, EXPECTED = recorded(), expected()


@pytest.mark.parametrize("slug", sorted({line["provider"] for line in RECORDED}))
def test_a_recorded_payload_is_understood(slug):
    ours = [line for line in RECORDED if line["provider"] == slug]

    answers = {line["id"]: understand({"at": AT, **line}, shipped()) for line in ours}

    wrong = {name: answer for name, answer in answers.items() if not is_as(answer, EXPECTED[name])}
    assert wrong == {}, {name: EXPECTED[name] for name in wrong}


def is_as(answer, wanted):
    events, wants = answer["events"], wanted["events"]
    return (answer["accepted"], len(events)) == (wanted["accepted"], len(wants)) and all(
        {name: event[name] for name in want} == want for event, want in zip(events, wants, strict=True)
    )


def test_every_payload_has_an_expectation_and_a_name_of_its_own():
    ids = [line["id"] for line in RECORDED]

    assert len(set(ids)) == len(ids)
    assert set(ids) == set(EXPECTED)


@pytest.mark.parametrize("slug", PROVIDERS)
def test_every_provider_has_payloads(slug):
    if not PROVIDERS[slug].silent:
        assert any(line["provider"] == slug for line in RECORDED)


@pytest.mark.parametrize("slug", PROVIDERS)
def test_every_status_word_of_the_table_occurs(slug):
    """The recorded shape of each word a provider's table lists as a status."""
    adapter = PROVIDERS[slug]
    said = {
        (event["channel"], event["native_status"].lower())
        for line in RECORDED
        if line["provider"] == slug
        for event in understand({"at": AT, **line}, shipped())["events"]
    }
    words = {(key.channel, key.code) for key in shipped().codes if key.table == slug and key.kind == "status"}
    missing = {word for word in words if not word[1].startswith(adapter.answers_only) and word not in said}
    assert not missing


# ---- Who sent it ----------------------------------------------------------------------------------------------


SIGNED = [line for line in RECORDED if line.get("secret") and EXPECTED[line["id"]]["accepted"]]


@pytest.mark.parametrize("slug", PROVIDERS)
def test_every_provider_has_a_payload_with_its_proof(slug):
    adapter = PROVIDERS[slug]
    if adapter.proof_field:
        assert any(line["provider"] == slug for line in SIGNED)


@pytest.mark.parametrize("line", SIGNED, ids=lambda line: line["id"])
def test_a_forged_payload_is_refused(line):
    adapter = PROVIDERS[line["provider"]]
    forgeries = [{**line, "secret": "c29tZSBvdGhlciBzZWNyZXQgb2Ygb3VycyEhISEhISE="}]
    bare = {
        name: value for name, value in (line.get("headers") or {}).items() if name.lower() == "content-type"
    }
    query = "&".join(field for field in str(line.get("query") or "").split("&") if not field.startswith("k="))
    if (bare, query) != (line.get("headers") or {}, line.get("query") or ""):  # else the proof is in the body
        forgeries.append({**line, "headers": bare, "query": query, "url": None})
    if adapter.signs_body and line.get("method", "POST") != "GET":
        forgeries.append({**line, "form": None, "body_b64": base64.b64encode(tampered(line)).decode()})

    for forgery in forgeries:
        answer = understand({"at": AT, **forgery}, shipped())
        assert not answer["accepted"], forgery
        assert answer["events"] == []


def tampered(line):
    body = body_of(line)
    return body + (b"&Extra=1" if line.get("form") is not None else b" ")


@pytest.mark.parametrize(
    "line",
    [line for line in SIGNED if PROVIDERS[line["provider"]].refuses_replays],
    ids=lambda line: line["id"],
)
def test_an_old_payload_is_refused_when_it_comes_again(line):
    answer = understand({**line, "at": "2026-03-04T19:00:00Z"}, shipped())

    assert not answer["accepted"]
    assert "too old" in answer["reason"]


# ---- Whatever comes in -----------------------------------------------------------------------------------------


SPOILT = [
    b"", b"{", b"[]", b"null", b"[null]", b"{}", b"[[]]", b"\xff\xfe\x00", b"\x00" * 100, b"a=b&a=b&&=", b"%zz=%",
    b'{"data": 3, "results": "x", "events": [1], "message": []}', b"[" * 5_000, b"9" * 5_000,
    b'{"status": {"deep": []}, "id": [], "to": {}, "type": 5}', "Ünïcödé ☃".encode(), b"x" * 300_000,
]  # fmt: skip


@pytest.mark.parametrize("slug", PROVIDERS)
def test_spoilt_bodies_never_raise(slug):
    for kind, body in product(sorted(PROVIDERS[slug].kinds), SPOILT):
        for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
            for method in ("POST", "GET"):
                line = {
                    "provider": slug, "kind": kind, "method": method, "content_type": content_type, "at": AT,
                    "body_b64": base64.b64encode(body).decode(), "query": body[:200].decode("latin-1"),
                }  # fmt: skip
                answer = understand(line, shipped())
                assert not RAISED.match(answer["reason"]), answer


@pytest.mark.parametrize("slug", sorted({line["provider"] for line in RECORDED}))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_payloads_never_raise(slug, data):
    line = data.draw(st.sampled_from([line for line in RECORDED if line["provider"] == slug]))
    damaged = damage(data, line)

    answer = understand({"at": AT, **damaged}, shipped())

    assert not RAISED.match(answer["reason"]), (damaged, answer)
    json.dumps(answer)


def damage(data, line):
    """The same line with a field cut, of another type, or gone."""
    for name in ("form", "body"):
        told = line.get(name)
        if isinstance(told, str) and told[:1] in "{[":
            return {**line, name: json.dumps(bend(data, json.loads(told)))}
        if isinstance(told, str) and told:
            return {**line, name: told[: data.draw(st.integers(0, len(told)))]}
        if isinstance(told, dict) and told:
            return {**line, name: bend(data, told)}
    query = str(line.get("query") or "")
    return {**line, "query": query[: data.draw(st.integers(0, len(query)))]}


ODD = [None, "", 0, -1, 3.5, True, [], {}, "x" * 400, "\x00", "\ud800", ["a"], {"a": "b"}, "2026-99-99"]


def bend(data, value):
    """The same value with one leaf or branch replaced by something odd."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: bend(data, value[name])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], bend(data, value[at]), *value[at + 1 :]]
    return data.draw(st.sampled_from(ODD))


def test_what_is_no_line_of_ours_is_answered():
    for line in ({}, {"provider": "nobody"}, {"provider": "twilio", "body_b64": "!"}, {"provider": 3},
                 {"provider": "twilio", "headers": []}, {"provider": "twilio", "at": "soon"},
                 {"provider": "twilio", "form": 3}):  # fmt: skip
        answer = understand(line, shipped())
        assert not answer["accepted"]
        assert answer["reason"]


FORM = {"From": "+12125550142", "To": "+12125550199", "Body": "hi", "MessageSid": "SM1"}
PAIRS = [list(pair) for pair in FORM.items()]


@pytest.mark.parametrize(
    "given",
    [
        {"form": FORM},
        {"form": PAIRS},
        {"form": [*PAIRS, ["Body", "the second of a name"]]},
        {"form": [["MessageSid", "SM1"], ["From", "+12125550142"], ["Body", ["hi", "ho"]]]},
        {"form": "From=%2B12125550142&Body=hi&MessageSid=SM1"},
        {"provider": "plivo", "form": [["From", "12125550142"], ["Text", "hi"], ["MessageUUID", "1"]]},
        {
            "provider": "kannel",
            "method": "GET",
            "query": [["from", "12125550142"], ["text", "hi"], ["i", "1"]],
        },
        {"provider": "smpp", "method": "GET", "query": [["from", "12125550142"], ["text", "hi"]]},
        {"provider": "smpp", "method": "GET", "query": {"from": "12125550142", "text": "hi"}},
    ],
)
def test_a_form_or_query_may_be_a_list_of_pairs(given):
    answer = understand({"provider": "twilio", "kind": "inbound", **given}, shipped())

    (event,) = answer["events"]
    assert (event["address"], event["text"]) == ("+12125550142", "hi")


@pytest.mark.parametrize("given", [["From"], [["From"]], [["a", "b", "c"]], ["ab"], [1], [None], [{}], 3])
def test_what_is_no_list_of_pairs_is_refused_with_its_field(given):
    answer = understand({"provider": "twilio", "kind": "inbound", "form": given}, shipped())

    assert not answer["accepted"]
    assert "form" in answer["reason"]


def test_a_code_nobody_listed_survives_as_it_came():
    line = {"provider": "twilio", "kind": "status", "form": {"MessageSid": "SM1", "MessageStatus": "undelivered",
                                                            "ErrorCode": "31999"}}  # fmt: skip
    (event,) = understand(line, shipped())["events"]

    assert (event["status"], event["native_code"]) == ("undelivered", "31999")
    assert (event["failure_class"], event["fault"]) == ("unknown", "none")


def test_a_time_without_a_zone_is_utc():
    told = {"id": "1", "channel": "sms", "status": "sent", "occurred_at": "2026-03-04T17:00:00"}
    line = {
        "provider": "sandbox",
        "kind": "status",
        "content_type": "application/json",
        "body": json.dumps(told),
    }
    (event,) = understand(line, shipped())["events"]

    assert datetime.fromisoformat(event["occurred_at"]) == datetime(2026, 3, 4, 17, tzinfo=UTC)


def test_a_json_body_without_a_content_type_is_read_as_what_it_looks_like():
    line = next(
        one for one in RECORDED if one["id"].startswith("telnyx") and one.get("body") and "secret" not in one
    )
    bare = {name: value for name, value in line.items() if name not in ("content_type", "headers")}

    assert (
        understand({"at": AT, **bare}, shipped())["events"]
        == understand({"at": AT, **line}, shipped())["events"]
    )
