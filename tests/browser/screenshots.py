"""`python -m tests.browser.screenshots`: take the pictures in docs/screenshots/ anew, from the demo of seed 7.

They are for readers, not compared by any test. The whole demo is made first, which takes minutes; `--keep FILE`
keeps it as a SQLite file, or uses the one that is there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs" / "screenshots"
LARGEST = 300 * 1_024  # bytes; a repository is no place for large pictures
LOOKS = {
    "desktop": {"viewport": {"width": 1440, "height": 1180}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 1180}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="the demo as a SQLite file, made where it is missing")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in this thread
    import django

    django.setup()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-screenshots-")))
        shoot_all(stack, arguments.keep or folder / "demo.sqlite3", folder / "site.sqlite3")


def shoot_all(stack: ExitStack, demo_file: Path, copy: Path) -> None:
    import time_machine

    from tests.browser import serving, world
    from tests.conftest import BROWSERS

    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)))
    stack.enter_context(time_machine.travel(world.NOW, tick=True))
    if not demo_file.exists():
        with serving.database(demo_file):
            make_demo()
    shutil.copyfile(demo_file, copy)
    stack.enter_context(serving.database(copy))
    url = stack.enter_context(serving.server())
    browser = stack.enter_context(serving.chromium_at(chromium))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for look, options in LOOKS.items():
        context = browser.new_context(**options, base_url=url, reduced_motion="reduce")
        for name, (username, address) in pages().items():
            context.add_cookies([serving.session_of(username, url)])  # type: ignore[list-item]
            page = context.new_page()
            page.goto(address(), wait_until="networkidle")
            if page.locator("[data-chart]").count():
                page.wait_for_function("document.querySelector('[data-chart].is-drawn')")
            save(page.screenshot(), FOLDER / f"{name}-{look}.png")
            page.close()
        context.close()


def make_demo() -> None:
    from deliveries import demo
    from deliveries.simulation import Simulation
    from tests.browser import serving, world

    serving.migrate()
    network = demo.make(world.SEED, world.BEGUN, progress=_quietly, say=print)
    Simulation(network, world.BEGUN).run_until(world.NOW)
    serving.settle()


def pages() -> dict[str, tuple[str, Callable[[], str]]]:
    """Who looks, and at what: for the trail somebody with much to tell."""
    from django.db.models import Count

    from deliveries.models import Message, Queue
    from deliveries.reporting.figures import queue_counts
    from tests.browser.world import REPORT

    counts = queue_counts()
    fullest = max(Queue.values, key=lambda queue: counts.get(queue, 0))
    told = Message.objects.filter(campaign__slug=REPORT).values("contact_id").annotate(n=Count("pk"))
    contact = told.order_by("-n", "contact_id").values_list("contact_id", flat=True)[0]
    return {
        "overview": ("marketer", lambda: "/?days=30"),
        "report": ("marketer", lambda: f"/campaigns/{REPORT}/"),
        "queue": ("marketer", lambda: f"/queues/{fullest}/"),
        "trail": ("support", lambda: f"/contacts/{contact}/"),
    }


def save(picture: bytes, path: Path) -> None:
    if len(picture) > LARGEST:
        raise SystemExit(f"{path.name} would have {len(picture):,} bytes, more than {LARGEST:,}.")
    path.write_bytes(picture)
    print(f"{path.relative_to(ROOT)}: {len(picture):,} bytes")


def _quietly(items: Iterable, name: str) -> Iterable:
    print(name)
    return items


if __name__ == "__main__":
    main()
