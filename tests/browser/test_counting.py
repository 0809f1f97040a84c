"""The counter that runs while a text is typed says what the server says."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from campaigns import look_alikes, segments
from tests.campaigns.sms_texts import texts

SCRIPT = Path(__file__).resolve().parents[2] / "static" / "js" / "segments.js"
COUNT = """([tables, texts]) => {
  const { size, outside, specials, replaced, label, saving } = smsCounter(tables);
  return texts.map((text) => {
    const { encoding, units, segments } = size(text);
    const named = specials(text).map((one) => [one.character, one.name, one.times, one.replacement, one.why, one.sure]);
    return [encoding, units, segments, outside(text).join(""), named, replaced(text), label(text), saving(text)];
  });
}"""


def test_the_script_counts_names_and_replaces_as_the_server_does(browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_script_tag(path=SCRIPT)

    counted = page.evaluate(COUNT, [look_alikes.tables(), texts()])

    context.close()
    expected = [_counted(text) for text in texts()]
    assert [pair for pair in zip(texts(), counted, expected, strict=True) if pair[1] != pair[2]] == []


def _counted(text: str) -> list[object]:
    named = [
        [one.character, one.name, one.times, one.replacement, one.why, one.sure]
        for one in look_alikes.specials(text)
    ]
    return [
        *segments.size(text), segments.outside(text), named,
        look_alikes.replaced(text), look_alikes.label(text), look_alikes.saving(text),
    ]  # fmt: skip
