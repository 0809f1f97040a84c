"""`manage.py translate`: what providers' callbacks mean, without a database."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from deliveries.meaning.payloads import understand
from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.wording import wording


class Command(BaseCommand):
    help = "Translate callbacks, one JSON object a line, into Waybill's events; or describe one code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jsonl", metavar="IN", help="a file of callbacks, - for standard input")
        parser.add_argument("--out", metavar="OUT", default="-", help="where to write; - for standard output")
        parser.add_argument(
            "--describe", nargs=3, metavar=("PROVIDER", "CHANNEL", "CODE"), help="such as: twilio sms 30003"
        )

    def handle(
        self, *args: Any, jsonl: str = "", out: str = "-", describe: list[str] | None = None, **_: Any
    ) -> None:
        if describe:
            self.describe(*describe)
        elif jsonl:
            self.translate(jsonl, out)
        else:
            raise CommandError("Give --jsonl IN --out OUT, or --describe PROVIDER CHANNEL CODE.")

    def translate(self, source: str, target: str) -> None:
        with _reading(source) as lines, _writing(target) as into:
            for answer in answers(lines):
                into.write(json.dumps(answer, ensure_ascii=False) + "\n")

    def describe(self, provider: str, channel: str, code: str) -> None:
        slug = provider.lower().replace("-", "_")
        if slug not in PROVIDERS:
            raise CommandError(f"No provider {provider!r}. There are: {', '.join(sorted(PROVIDERS))}.")
        mapping = shipped()
        reason = mapping.find(slug, channel, "error", code) or mapping.find(slug, channel, "status", code)
        if reason is None:
            raise CommandError(f"{provider} {channel} {code}: no code table lists it.")
        words = wording(channel, reason.status, reason.failure_class)
        self.stdout.write(f"{slug} {channel} {reason.code}: {reason.name or reason.meaning}")
        for label, text in (
            ("means", reason.meaning),
            ("status", f"{reason.status} ({words.label})"),
            ("class", reason.failure_class),
            ("fault", reason.fault),
            ("next step", words.next_step),
            ("certain", "yes" if reason.verified else "no: it never counts against a contact"),
        ):
            if text:
                self.stdout.write(f"  {label:10} {text}")


def answers(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not empty. A line that is no JSON object is answered too."""
    mapping = shipped()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            if not isinstance(given, dict):
                raise ValueError
        except (ValueError, RecursionError):
            yield {
                "id": None,
                "accepted": False,
                "reason": f"line {number}: not a JSON object.",
                "events": [],
            }
            continue
        yield understand(given, mapping)


def _reading(source: str) -> TextIO:
    if source == "-":
        return sys.stdin
    try:
        return Path(source).open(encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise CommandError(f"--jsonl {source}: {problem.strerror}.") from problem


def _writing(target: str) -> TextIO:
    if target == "-":
        return sys.stdout
    try:
        return Path(target).open("w", encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise CommandError(f"--out {target}: {problem.strerror}.") from problem
