"""How heavy pages are, in bytes as they would come without a cache."""

from __future__ import annotations

import gzip

from playwright.sync_api import Response

from tests.browser.watching import Watch

KB = 1_024


def of(watch: Watch, *endings: str) -> list[Response]:
    return [one for one in watch.responses if one.url.split("?")[0].endswith(endings)]


def compressed(answers: list[Response]) -> int:
    return len(gzip.compress(b"".join(one.body() for one in answers)))
