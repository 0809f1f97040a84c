"""The counter that runs while a text is typed says what the server says."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from campaigns import counting, look_alikes, segments
from tests.campaigns.sms_texts import texts

SCRIPT = Path(__file__).resolve().parents[2] / "static" / "js" / "segments.js"
SAMPLES = {"first_name": ("Jo", "Łukasz"), "name": ("", "Bartholomew Featherstonehaugh")}
COUNT = """([tables, texts, samples]) => {
  const { size, outside, specials, replaced, label, saving, counted } = smsCounter(tables);
  const said = (text) => {
    const { label, saving, theirs, most } = counted(text, samples);
    return [label, saving, theirs, most];
  };
  return texts.map((text) => {
    const { encoding, units, segments } = size(text);
    const named = specials(text).map((one) => [one.character, one.name, one.times, one.replacement, one.why, one.sure]);
    const texts = [replaced(text), label(text), saving(text)];
    return [encoding, units, segments, outside(text).join(""), named, ...texts, said(text)];
  });
}"""


def test_the_script_counts_names_and_replaces_as_the_server_does(browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_script_tag(path=SCRIPT)

    counted = page.evaluate(COUNT, [look_alikes.tables(), texts(), SAMPLES])

    context.close()
    expected = [_counted(text) for text in texts()]
    assert [pair for pair in zip(texts(), counted, expected, strict=True) if pair[1] != pair[2]] == []


def _counted(text: str) -> list[object]:
    said = counting.counted(text, SAMPLES)
    named = [
        [one.character, one.name, one.times, one.replacement, one.why, one.sure]
        for one in look_alikes.specials(text)
    ]
    return [
        *segments.size(text), segments.outside(text), named,
        look_alikes.replaced(text), look_alikes.label(text), look_alikes.saving(text),
        [said.label, said.saving, said.theirs, said.most],
    ]  # fmt: skip
