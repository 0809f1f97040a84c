"""The page that says how to add a provider is run: its blocks are the provider, its tables and its payloads."""

import asyncio
import csv
import json
import re
import shlex
import sys
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command

import deliveries.providers
from deliveries.management.commands import translate
from deliveries.meaning import translation
from deliveries.meaning.payloads import understand
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, SendResult
from tests.deliveries.meaning.test_payloads import SPOILT
from tests.deliveries.providers.handing import Played

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
# A block belongs to the path that is named right before it.
BLOCK = re.compile(r"`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = dict(BLOCK.findall(PAGE))
COMMANDS = re.findall(r"^\.venv/bin/python manage\.py (.+)$", PAGE, re.MULTILINE)
SLUG = "parcel_sms"
ADAPTER, TABLE = f"deliveries/providers/{SLUG}.py", f"deliveries/providers/codes/{SLUG}.csv"
PAYLOADS, EXPECTED = f"tests/payloads/{SLUG}.jsonl", f"tests/payloads/{SLUG}.expected.jsonl"


def lines(path):
    return [json.loads(line) for line in FILES[path].splitlines()]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The files of the page in their places, and its provider in the table. Gives the code tables."""
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deliveries.providers, "__path__", [str(tmp_path / "deliveries/providers")])
    module = f"deliveries.providers.{SLUG}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    table = {"Provider": object}
    exec(FILES["deliveries/providers/__init__.py"], table)
    (added,) = table["PROVIDERS"].values()
    monkeypatch.setitem(PROVIDERS, added.slug, added)
    monkeypatch.setattr(translation, "CODES", (tmp_path / TABLE).parent)
    mapping = translation.shipped.__wrapped__()
    monkeypatch.setattr(translate, "shipped", lambda: mapping)
    yield mapping
    sys.modules.pop(module)
    delattr(deliveries.providers, SLUG)


def test_the_page_names_every_file_and_the_provider_is_in_no_table_yet():
    assert set(FILES) == {ADAPTER, "deliveries/providers/__init__.py", TABLE, PAYLOADS, EXPECTED}
    assert SLUG not in PROVIDERS


@pytest.mark.parametrize("line", lines(PAYLOADS), ids=lambda line: line["id"])
def test_a_payload_on_the_page_gives_what_the_page_expects(project, line):
    (wanted,) = [each for each in lines(EXPECTED) if each["id"] == line["id"]]

    answer = understand({"at": "2026-03-04T17:00:00Z", **line}, project)

    assert (answer["accepted"], len(answer["events"])) == (wanted["accepted"], len(wanted["events"])), answer
    for event, want in zip(answer["events"], wanted["events"], strict=True):
        assert {name: event[name] for name in want} == want


def test_the_page_keeps_its_own_rules(project):
    said = {event.get("native_status") for line in lines(EXPECTED) for event in line["events"]}
    listed = {
        row["native_code"]
        for row in csv.DictReader(FILES[TABLE].splitlines())
        if row["native_kind"] == "status"
    }
    proven = [line for line in lines(PAYLOADS) if line.get("secret")]

    assert listed - {"rejected"} <= said
    assert {line["id"] for line in lines(PAYLOADS)} == {line["id"] for line in lines(EXPECTED)}
    assert {understand(line, project)["accepted"] for line in proven} == {True, False}
    assert not any(understand({**line, "at": "2026-03-04T19:00:00Z"}, project)["accepted"] for line in proven)
    assert not any(understand({**line, "form": {"id": "1"}}, project)["accepted"] for line in proven)
    assert all(len(project.describe(SLUG, key.channel, key.code).short) <= 60 for key in project.codes)


@pytest.mark.parametrize("body", SPOILT, ids=lambda body: repr(body[:24]))
def test_the_adapter_of_the_page_raises_nothing_but_unreadable(project, body):
    for kind in ("status", "inbound"):
        for content_type in ("application/json", "text/plain"):
            line = {
                "provider": SLUG,
                "kind": kind,
                "content_type": content_type,
                "body": body.decode("latin-1"),
            }
            assert "Error" not in understand(line, project)["reason"]


def test_the_commands_of_the_page_work(project, capsys):
    for command in COMMANDS:
        call_command(*shlex.split(command))

    answers = Path("answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(answer)["accepted"] for answer in answers] == [
        line["accepted"] for line in lines(EXPECTED)
    ]
    assert "parcel_sms sms 21: No such number" in capsys.readouterr().out


def test_the_adapter_of_the_page_sends(project):
    message = OutboundMessage(
        "6f1c2b9e", "sms", "+13125550142", "+12125550100", "Hello", "https://waybill.example.com/hooks/t"
    )

    def against(*answer, **more):
        async def run():
            async with Played(lambda request: httpx.Response(*answer, **more)) as client:
                return await PROVIDERS[SLUG].send(message, {"key": "a-key"}, client)

        return asyncio.run(run())

    assert against(201, json={"id": "p-1001"}) == SendResult(True, provider_message_id="p-1001")
    assert against(422, json={"code": 21, "message": "No such number"}) == SendResult(
        False, native_status="rejected", native_code="21", native_text="No such number"
    )
    assert against(429, headers={"retry-after": "7"}).retry_after == 7
    with pytest.raises(LostAnswer):
        against(201)
