"""Each kind of mail as a reader sees it, light and dark, German and English; written to docs/pictures when VORAB_TEST_PICTURES is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from notifier.preview import Sample, message_of
from notifier.words import load_words
from tests.parts.base import REPOSITORY
from vorab.records import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES: Final = REPOSITORY / "docs" / "pictures" / "mail"
WIDTHS: Final = (640, 360)
"""The pane of a mail program, and a phone."""
LONG: Final = "Wärmepumpenanlage-Nordflügel-Untergeschoss-Raum-0815-" * 4

# What is drawn must be readable by WCAG 2.1: 4.5 to 1, for every text against what is behind it.
CONTRAST: Final = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (node) => { for (let n = node; n; n = n.parentElement) {
    const found = rgb(getComputedStyle(n).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255]; };
  const through = (node) => {
    let all = 1; for (let n = node; n; n = n.parentElement) all *= Number(getComputedStyle(n).opacity); return all; };
  let worst = 21;
  for (const node of document.querySelectorAll("p, a, h1, strong, span, td")) {
    if (![...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    const ground = behind(node), alpha = through(node);
    const ink = rgb(getComputedStyle(node).color).slice(0, 3).map((v, n) => v * alpha + ground[n] * (1 - alpha));
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
    worst = Math.min(worst, (high + 0.05) / (low + 0.05));
  }
  return worst;
}"""


def shown(page: Page, sample: Sample) -> None:
    """The mail on the page."""
    page.set_content(message_of(sample, load_words()).html)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_kind_of_mail_can_be_read_in_light_and_dark_and_on_a_phone(browser: Browser, tmp_path: Path, scheme: str) -> None:
    """Enough contrast, nothing wider than the screen, a button a thumb can hit; no picture, no script, nothing from elsewhere."""
    target = PICTURES if os.environ.get("VORAB_TEST_PICTURES") else tmp_path
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for stage in Stage:
        for language in ("de", "en"):
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 480})
                for sample in (Sample(stage, language, machine=LONG, person=LONG), Sample(stage, language)):
                    shown(page, sample)
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (sample, width)
                    assert page.evaluate(CONTRAST) >= 4.5, sample
                    button = page.get_by_role("link").bounding_box()
                    assert button is not None
                    assert button["height"] >= 44
            page.set_viewport_size({"width": WIDTHS[0], "height": 300})
            page.screenshot(path=target / f"{stage.value}-{language}-{scheme}.png", full_page=True)
    assert len(list(target.glob(f"*-{scheme}.png"))) == 2 * len(Stage)
    assert asked == []
    context.close()
