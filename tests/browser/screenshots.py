"""`python -m tests.browser.screenshots`: take the pictures in docs/screenshots/ anew, from the demo of seed 7.

They are for readers, not compared by any test. The whole demo is made first, which takes minutes; `--keep FILE`
keeps it as a SQLite file, or uses the one that is there.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs" / "screenshots"
TROUBLED = "lens-week"  # the campaign of the demo with most to tell: a third was filtered, and rows wait for somebody
PATIENCE = 180_000  # milliseconds for a page: nothing is measured here
LARGEST = 150 * 1_024  # bytes; a repository is no place for large pictures
# The pixels as numbers of a palette of 256 colours: of each kind of colour the commonest, others as the nearest.
INDEXED = """async (png) => {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = picture;
  const brush = new OffscreenCanvas(width, height).getContext("2d");
  brush.drawImage(picture, 0, 0);
  const pixels = new Uint32Array(brush.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  pixels.forEach((one) => counts.set(one, (counts.get(one) || 0) + 1));
  const common = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const kinds = new Set();
  const fresh = (one) => !kinds.has(one & 0xe0e0e0) && kinds.add(one & 0xe0e0e0);
  const palette = [...new Set([...common.filter(fresh), ...common])].slice(0, 256);
  const parts = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
  const distance = (a, b) => parts(a).reduce((sum, part, n) => sum + (part - parts(b)[n]) ** 2, 0);
  const nearest = (one) => palette.reduce((best, other, n) =>
    (distance(one, other) < distance(one, palette[best]) ? n : best), 0);
  const places = new Map(palette.map((one, n) => [one, n]));
  const text = [];
  pixels.forEach((one) => {
    if (!places.has(one)) places.set(one, nearest(one));
    text.push(String.fromCharCode(places.get(one)));
  });
  return { width, height, palette: palette.flatMap(parts), pixels: btoa(text.join("")) };
}"""
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
            picture = page.screenshot()
            page.goto("about:blank")
            told = page.evaluate(INDEXED, base64.b64encode(picture).decode())
            save(png(told), FOLDER / f"{name}-{look}.png")
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
    from campaigns.models import Content, Segment
    from contacts.models import ContactList
    from tests.browser import pages as ready
    from tests.browser import pages_of_campaigns as of_campaigns

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

    return {
        "composer": ("marketer", draft),
        "segment": ("marketer", segment),
        "sender": ("admin", lambda: f"/senders/{of_campaigns.unregistered_sender()}/"),
        "inbox": ("support", lambda: ready.with_replies("/inbox/")),
        "suppressions": ("admin", lambda: "/suppressions/"),
    }


def png(told: dict[str, Any]) -> bytes:
    """A PNG of one byte to a pixel, as small as zlib makes it."""
    width, pixels = told["width"], base64.b64decode(told["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    header = struct.pack(">IIBBBBB", width, told["height"], 8, 3, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", bytes(told["palette"])),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


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
