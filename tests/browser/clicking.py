"""Clicking as people do: with the mouse, where the element can be seen, and only if nothing lies over it."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import ElementHandle, Locator

LEAST = 24  # CSS pixels either way that a target has at least (WCAG 2.2, 2.5.8)
LEAST_ON_PHONES = 40  # of what acts
MOMENTS = 40

# Where the middle of an element is once it has been scrolled to, and what a pointer meets there.
LOOK = """async (one) => {
  const before = scrollY;
  one.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  // What hangs on something else, as a menu on its button, follows with the next frame. Where scripts are off, only an
  // animation comes to its end: a callback of the page's would never be called.
  if (scrollY !== before) await one.animate([], 34).finished;
  const [box] = [...one.getClientRects()].filter((each) => each.width && each.height);
  if (!box || !one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return null;
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const met = document.elementFromPoint(x, y);
  const label = one.labels?.[0];
  const own = met && (one.contains(met) || label?.contains(met));
  const area = (label || one).getBoundingClientRect();
  const over = own ? "" : met ? met.outerHTML.slice(0, 120) : "the edge of the window";
  return { x, y, over, width: Math.max(box.width, area.width), height: Math.max(box.height, area.height) };
}"""


@dataclass(frozen=True)
class Seen:
    """Where the middle of an element lies in the window, how large it is, and what covers it; '' when nothing does."""

    x: float
    y: float
    over: str
    width: float
    height: float


def look(target: Locator | ElementHandle) -> Seen | None:
    """What a person sees of it after scrolling to it; None when nothing."""
    found = target.evaluate(LOOK)
    return Seen(**found) if found else None


def click_visibly(target: Locator, *, least: float = LEAST) -> None:
    """Click with the mouse in the middle of an element. Fails when it cannot be seen, is covered, or is too small."""
    target.wait_for(state="visible")
    for _ in range(MOMENTS):  # until what moves it has come to rest
        if (seen := look(target)) and not seen.over:
            break
        target.page.wait_for_timeout(50)
    assert seen, f"cannot be seen: {target}"
    assert not seen.over, f"{target} is covered by {seen.over}"
    assert min(seen.width, seen.height) >= least, f"{target} is {seen.width:g} x {seen.height:g} pixels"
    target.page.mouse.click(seen.x, seen.y)
