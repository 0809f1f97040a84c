"""What can be pressed on a page, and pressing it as people do: once each, with the mouse, seeing what it does.

What a button does is seen where it is met first, on the desktop, unless only a phone shows it. On the phone it is
clicked as well, to see that the click reaches it there; then the page stays as it is, and need not be loaded anew.
What brings more to press is opened on both.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connections
from playwright.sync_api import Download, ElementHandle, Error, Page, Request

from tests.browser import serving
from tests.browser.clicking import LEAST, LEAST_ON_PHONES, MOMENTS, Seen, look
from tests.browser.watching import Watch

SIZES = {  # in the order of visits
    "desktop": ({"width": 1440, "height": 900}, LEAST),
    "phone": ({"width": 390, "height": 844}, LEAST_ON_PHONES),
}
DEEPEST = 3  # what a menu in a dialog opens is the last that is looked at

PRESSABLE = """button, summary, input[type=submit], input[type=checkbox][data-tick], a.btn, .rail-link, .tabs a, .seg a,
  .chip, a.clear, .legend a, .object-tools a"""
# What of it can be pressed now: its place in the page, and a name that is the same on every page and in every row.
# What a page shows many times is pressed once.
FIND = """(css) => {
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const modal = document.querySelector("dialog:modal");
  const plain = (text) => text.replace(/[\\d,.]+/g, "#").replace(/\\s+/g, " ").trim().slice(0, 40);
  const seen = (one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll(".sr").forEach((each) => each.remove()); // in a row, whom it is about
    return copy.textContent.trim();
  };
  const words = (one) => one.matches("[data-tick]") ? "a row" : one.matches("[data-tick-all]") ? "all rows"
    : plain(seen(one) || one.textContent.trim() || one.ariaLabel || one.value || "");
  const address = (one) => one.form?.getAttribute("action") || one.getAttribute("href") || "";
  const where = (one) => address(one).split("?")[0].replace(/\\d+|(?<=campaigns.)[a-z-]+/g, "#");
  const around = (one) => one.closest("dialog, [popover]")?.id
    || one.closest("nav, form, section")?.className.split(" ")[0] || "";
  return [...document.querySelectorAll(css)].map((one, n) => ({
    n, shown: shown(one) && !one.closest("[inert], [aria-hidden=true]") && (!modal || modal.contains(one)),
    off: one.disabled || one.ariaDisabled === "true",
    acts: one.matches(".btn, button, input[type=submit]"),
    loses: one.form?.method === "post" ? (one.matches(".danger") ? 2 : 1) : 0,
    name: [one.tagName.toLowerCase(), words(one), where(one), around(one), one.value ? one.name : ""].join(" | "),
  })).filter((one) => one.shown && !one.off);
}"""
# What a click may do without leaving the page.
NOTICE = """(pressed) => {
  window.did = 0;
  window.held = "";
  const note = () => { window.did += 1 };
  const held = (event) => {
    const link = event.target.closest("a[href]:not([hx-get], [download])");
    if (link) { event.preventDefault(); window.held = link.href; note() }
  };
  document.addEventListener("click", held, true);
  window.print = note;
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver(note).observe(document, all);
  for (const type of ["change", "invalid", "beforetoggle"]) document.addEventListener(type, note, true);
  document.addEventListener("focusin", ({ target }) => target.contains(pressed) || note(), true);
}"""
# The next click ends at the window: whether it was on its way to the element is all that it tells.
TAKE = """(one) => {
  window.reached = false;
  const take = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    window.reached = [one, ...(one.labels || [])].some((each) => each.contains(event.target));
  };
  window.addEventListener("click", take, { capture: true, once: true });
}"""
AT_REST = """() => new Promise((done) => {
  const idle = () => !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling");
  if (idle()) setTimeout(() => done(idle()), 60);
  else done(false);
})"""
NTH = "([css, n]) => document.querySelectorAll(css)[n]"
STARTED = "() => performance.timeOrigin"


@dataclass(frozen=True)
class Button:
    name: str
    n: int
    acts: bool
    loses: int


@dataclass
class Known:
    """What was pressed by now, of all pages and roles, in this process: each button has its turn once."""

    pressed: set[str] = field(default_factory=set)  # names of buttons whose effect was seen
    opening: set[str] = field(default_factory=set)  # of these, what brings more to press
    clicked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # names, by size of window
    asked_for: set[str] = field(default_factory=set)  # where links lead
    with_rail: set[tuple[str, str]] = field(default_factory=set)  # (size, role) for which a page was loaded


class OutOfTime(AssertionError):
    """A page took longer than it may."""


class Budget:
    """The time for one page. Whatever waits asks now and then whether there is any left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = time.monotonic() + seconds

    def spend(self, on: str) -> None:
        """Raises OutOfTime, with what was being done."""
        if time.monotonic() > self.until:
            raise OutOfTime(f"not done after {self.seconds:g} seconds: {on}")


@dataclass
class Round:
    """One role's visit to a page at one size of window."""

    page: Page
    watch: Watch
    size: str
    world: World
    cookie: dict[str, str]
    known: Known
    budget: Budget
    problems: list[str] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    held: bool = False  # the last click was on a link that was not followed: the page is as it was

    def __post_init__(self) -> None:
        self.page.context.on("request", self.asked)
        self.page.on("download", lambda one: self.downloads.append(one))
        self.page.on("dialog", lambda one: one.accept())

    def asked(self, request: Request) -> None:
        self.world.changed |= request.method != "GET"

    def visit(self, name: str, address: str) -> None:
        found = self.reach(name, address, ())
        if found:
            self.explore(name, address, (), found, frozenset())

    def explore(
        self, name: str, address: str, path: tuple[Button, ...], found: list[Button], above: frozenset[str]
    ) -> None:
        """Click what was not clicked yet of what is `found` here, and at once what that opens. The page is as `path`
        left it; it is loaded anew only where it no longer is. What was there already, `above`, has its turn there."""
        as_found = True
        known, clicked = above | {one.name for one in found}, self.known.clicked[self.size]
        for button in sorted(found, key=lambda one: (not self.is_known(one), one.loses)):
            if button.name in clicked or button.name in above:
                continue
            if not as_found and not self.reach(name, address, path):
                break
            clicked.add(button.name)
            if self.is_known(button):
                self.touch(name, button)
                continue
            stays = self.press(name, button, judged=True)
            self.known.pressed.add(button.name)
            as_found = self.held
            if stays and len(path) < DEEPEST:
                opened = self.at_rest()
                if {one.name for one in opened} - known:
                    self.known.opening.add(button.name)
                self.explore(name, address, (*path, button), opened, known)

    def is_known(self, button: Button) -> bool:
        """Whether all was seen of it at another size but that a click reaches it at this one."""
        return button.name in self.known.pressed - self.known.opening

    def reach(self, name: str, address: str, path: tuple[Button, ...]) -> list[Button] | None:
        """What can be pressed after opening these one after the other; None when that no longer works."""
        self.budget.spend(f"{self.size}, loading it for {[step.name for step in path]}")
        if self.world.changed:
            self.page.goto("about:blank")
            self.world.renew()
        self.page.context.add_cookies([self.cookie])  # type: ignore[list-item]
        answer = self.page.goto(address)
        if answer and answer.status in (403, 404) and not name.startswith("not "):
            return []
        for step in path:
            if not self.press(name, step, judged=False):
                return None
        return self.at_rest()

    def at_rest(self) -> list[Button]:
        for _ in range(MOMENTS):  # what is on its way out has other classes, and so another name
            if self.page.evaluate(AT_REST):
                break
            self.page.wait_for_timeout(50)
        return self.buttons()

    def buttons(self) -> list[Button]:
        found: dict[str, Button] = {}
        for one in self.page.evaluate(FIND, PRESSABLE):
            button = Button(one["name"], one["n"], one["acts"], one["loses"])
            found.setdefault(button.name, button)
        return list(found.values())

    def press(self, name: str, button: Button, *, judged: bool) -> bool:
        """Click it; whether the page is still there, perhaps with more to press."""
        handle, seen = self.find(button)
        if judged:
            self.note(name, button, *self.faults(button, seen))
        if handle is None or seen is None or seen.over:
            return False
        before, began = self.page.url, self.page.evaluate(STARTED)
        handle.evaluate(NOTICE)
        self.downloads.clear()
        known = len(self.watch.problems)
        self.page.mouse.click(seen.x, seen.y)
        done, stays = self.settled(before, began)
        if judged:
            self.note(
                name, button, *(one for one in self.watch.unexpected() if one in self.watch.problems[known:])
            )
            if not done:
                self.note(name, button, "nothing happens")
        del self.watch.problems[known:]
        held = self.page.evaluate("window.held") if stays else ""
        self.held = bool(held)
        if held and judged and (wrong := self.refused(held)):
            self.note(name, button, f"leads to {wrong}")
        return stays and not self.held

    def touch(self, name: str, button: Button) -> None:
        """Click it, and let the click do nothing: it only has to reach it."""
        handle, seen = self.find(button)
        self.note(name, button, *self.faults(button, seen))
        if handle is None or seen is None or seen.over:
            return
        handle.evaluate(TAKE)
        self.page.mouse.click(seen.x, seen.y)
        if not self.page.evaluate("window.reached"):
            self.note(name, button, "a click does not reach it")

    def note(self, name: str, button: Button, *problems: str) -> None:
        self.problems += [f"{self.size}, {name}: {button.name}: {each}" for each in problems]

    def refused(self, link: str) -> str:
        """What answers where a link leads, when that is no page: it is asked for, not opened. The pages themselves are
        all looked at elsewhere, and the one at hand stays as it is."""
        address = link.split("#")[0]
        if address == self.page.url.split("#")[0] or address in self.known.asked_for:
            return ""
        self.known.asked_for.add(address)
        status = self.page.request.get(address).status
        return f"{status} at {address}" if status >= 400 else ""

    def find(self, button: Button) -> tuple[ElementHandle | None, Seen | None]:
        """The element, and where it is seen once the page has come to rest."""
        handle, seen = None, None
        for _ in range(MOMENTS):
            same = next((one for one in self.buttons() if one.name == button.name), None)
            handle = self.page.evaluate_handle(NTH, [PRESSABLE, same.n]).as_element() if same else None
            seen = look(handle) if handle else None
            if seen and not seen.over:
                break
            self.page.wait_for_timeout(50)
        return handle, seen

    def faults(self, button: Button, seen: Seen | None) -> Iterator[str]:
        if seen is None:
            yield "cannot be seen"
            return
        if seen.over:
            yield f"covered by {seen.over}"
        least = SIZES[self.size][1] if button.acts else LEAST
        if min(seen.width, seen.height) < least - 0.5:
            yield f"{seen.width:g} x {seen.height:g} pixels"

    def settled(self, before: str, began: float) -> tuple[bool, bool]:
        """(whether anything happened, whether it is still the same page)."""
        for _ in range(100):
            self.budget.spend(f"{self.size}, waiting for what happens at {self.page.url}")
            try:
                self.page.wait_for_load_state()
                if (
                    self.page.url.split("#")[0] != before.split("#")[0]
                    or self.page.evaluate(STARTED) != began
                ):
                    return True, False
                if self.downloads:
                    return True, False
                if self.page.evaluate("window.held"):
                    return True, True
                if self.page.evaluate("window.did") or self.page.url != before:
                    self.page.wait_for_function(AT_REST)
                    return True, self.page.evaluate(STARTED) == began
            except Error:  # the page is on its way elsewhere
                pass
            with contextlib.suppress(Error):
                self.page.wait_for_timeout(50)
        return False, True


class World:
    """The small world, as often as it is changed: each time a new file, so that a late request writes into its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept.sqlite3"
        self.number = 0
        self.changed = False

    def renew(self) -> None:
        """As it was when it was kept, for whatever asks from now on."""
        connections.close_all()
        self.number += 1
        path = self.folder / f"{self.number}.sqlite3"
        shutil.copyfile(self.kept, path)
        connections.settings["default"]["NAME"] = str(path)
        (self.folder / f"{self.number - 3}.sqlite3").unlink(missing_ok=True)
        self.changed = False

    def keep(self) -> None:
        """It is to come back as it is now."""
        serving.settle()
        connections.close_all()
        shutil.copyfile(connections.settings["default"]["NAME"], self.kept)
