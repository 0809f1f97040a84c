"""`python -m tests.browser.screenshots`: take the pictures in docs/screenshots/ anew, from the demo of seed 7.

They are for readers, not compared by any test. The whole demo is made first, which takes minutes; `--keep FILE`
keeps it as a SQLite file, or uses the one that is there.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs" / "screenshots"
TROUBLED = "lens-week"  # the campaign of the demo with most to tell: a third was filtered, and rows wait for somebody
PATIENCE = 180_000  # milliseconds for a page: nothing is measured here
LARGEST = 150 * 1_024  # bytes; a repository is no place for large pictures
COLORS = 256  # of a palette: a third of the bytes of true colours, and text reads the same
LOOKS = {
    "desktop": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "dark"},
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
    from django.db import transaction

    from deliveries.running import drain, heartbeat
    from tests.browser import serving, world
    from tests.conftest import BROWSERS

    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)))
    stack.enter_context(time_machine.travel(world.NOW, tick=True))
    if not demo_file.exists():
        with serving.database(demo_file):
            make_demo()
    shutil.copyfile(demo_file, copy)
    stack.enter_context(serving.database(copy))
    heartbeat.ours().begin("record", drain.ROLES)  # or every page would say that no worker runs
    url = stack.enter_context(serving.server())
    browser = stack.enter_context(serving.chromium_at(chromium))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for look, options in LOOKS.items():
        context = browser.new_context(**options, base_url=url, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE)
        for name, (username, address) in (pages() | (at_work() if look == "desktop" else {})).items():
            context.add_cookies([serving.session_of(username, url)])  # type: ignore[list-item]
            page = context.new_page()
            with transaction.atomic():
                there = address()
            answer = page.goto(there, wait_until="networkidle")
            if answer is None or not answer.ok:
                raise SystemExit(f"{there} could not be shown: no picture of it is kept.")
            if page.locator("[data-chart]").count():
                page.wait_for_function("document.querySelector('[data-chart].is-drawn')")
            save(small(page.screenshot()), FOLDER / f"{name}-{look}.png")
            page.close()
        context.close()


def make_demo() -> None:
    from deliveries.demo import making
    from deliveries.demo.simulation import Simulation
    from tests.browser import serving, world

    serving.migrate()
    network = making.make(world.SEED, world.BEGUN, progress=_quietly, say=print)
    Simulation(network, world.BEGUN).run_until(world.NOW)
    serving.settle()


def pages() -> dict[str, tuple[str, Callable[[], str]]]:
    """Who looks, and at what: for the trail somebody with much to tell."""
    from django.db.models import Count

    from deliveries.models import Message
    from tests.browser.world import REPORT

    told = Message.objects.filter(campaign__slug=REPORT).values("contact_id").annotate(n=Count("pk"))
    contact = told.order_by("-n", "contact_id").values_list("contact_id", flat=True)[0]
    return {
        "overview": ("marketer", lambda: "/?days=30"),
        "report": ("marketer", lambda: f"/campaigns/{TROUBLED}/?queue=correct"),
        "queue": ("marketer", lambda: "/queues/retry/"),
        "trail": ("support", lambda: f"/contacts/{contact}/"),
    }


def at_work() -> dict[str, tuple[str, Callable[[], str]]]:
    """The same of pages where something waits to be done: once each, on the desktop."""
    from accounts.models import User
    from campaigns import drafting
    from campaigns.models import Campaign, Content, Segment
    from contacts.models import ContactList
    from deliveries.outcomes import causes_step
    from deliveries.running import alerts
    from tests.browser import pages as ready
    from tests.browser import pages_of_campaigns as of_campaigns
    from tests.browser import world

    lists, marketer = ContactList.objects.order_by("pk")[:2], User.objects.get(username="marketer")

    def draft() -> str:
        """A text that doubles its cost and whose link carriers refuse."""
        made = drafting.make_draft("Spring check-ups", marketer)
        made.lists.set(lists)
        sender = drafting.usual_sender("sms")
        Content.objects.update_or_create(
            campaign=made, channel="sms", defaults={"sender": sender, "body": of_campaigns.WORDS}
        )
        return f"/campaigns/{made.slug}/edit/"

    def segment() -> str:
        stages = {"is": "stage", "stages": ["customer", "lead"]}
        made = Segment.objects.create(name="Not lapsed", created_by=marketer, conditions={"all": [stages]})
        made.lists.set(lists)
        return f"/contacts/segments/{made.pk}/"

    def counted(there: str) -> str:
        """What the worker counts once somebody asks for it: why so many of this campaign failed."""
        asked = causes_step.ask(Campaign.objects.get(slug=TROUBLED), None, world.NOW)
        causes_step.count(asked, world.NOW)
        return f"/campaigns/{TROUBLED}/{there}"

    def alerted() -> str:
        """What the worker finds on its round."""
        alerts.run(world.NOW)
        return "/alerts/"

    return {
        "people": ("marketer", lambda: f"/campaigns/{TROUBLED}/?person=failed#results"),
        "causes": ("marketer", lambda: counted("causes/")),
        "compare": ("marketer", lambda: counted("compare/?by=carrier")),
        "deliverability": ("marketer", lambda: "/deliverability/?days=30"),
        "messages": ("marketer", lambda: "/messages/?days=30&status=permanent"),
        "alerts": ("marketer", alerted),
        "receivers": ("admin", lambda: "/receivers/"),
        "composer": ("marketer", draft),
        "segment": ("marketer", segment),
        "sender": ("admin", lambda: f"/senders/{of_campaigns.unregistered_sender()}/"),
        "inbox": ("support", lambda: ready.with_replies("/inbox/")),
        "suppressions": ("admin", lambda: "/suppressions/"),
    }


def small(png: bytes) -> bytes:
    """The same PNG with a palette, the commonest colours exact."""
    from PIL import Image

    written = io.BytesIO()
    plain = Image.open(io.BytesIO(png)).convert("RGB")
    plain.quantize(COLORS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


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
