"""A real browser: Debian's Chromium, headless, driven by Playwright. `scripts/install-browser.sh` installs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).resolve().parents[3] / ".browser/node_modules/axe-core/axe.min.js"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}
WHERE = """() => { const at = document.activeElement;
  return at === document.body ? "" : at.id || `${at.tagName} ${at.getAttribute("href") || at.textContent.trim()}`; }"""


class Seen:
    """An open page with what it said on the console and what it asked the network for."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(file.as_uri())

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of the page's own, those of the software renderer left out."""
        wanted = ("error", "warning")
        return [text for text in self.said if text.startswith(wanted) and "GPU stall due to ReadPixels" not in text]

    @property
    def loaded(self) -> list[str]:
        """What was fetched beside the page itself and data inside it."""
        return [url for url in self.asked[1:] if not url.startswith(("data:", "blob:"))]

    def violations(self) -> list[str]:
        """What axe-core (every rule of WCAG 2 A and AA, and best practice) finds wrong, by rule and place."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("() => axe.run(document).then((result) => result.violations)")
        return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]

    def stops(self, most: int = 400) -> list[str]:
        """What the Tab key reaches from the first link on: ids, or tag and text, in order."""
        self.page.locator(".skip").focus()
        found: list[str] = [self.page.evaluate(WHERE)]
        for _ in range(most):
            self.page.keyboard.press("Tab")
            found.append(self.page.evaluate(WHERE))
            if not found[-1]:
                break
        return found[:-1]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; without it the tests are skipped, or fail where VCT_BROWSER=required."""
    path = shutil.which("chromium")
    missing = "Chromium" if path is None else "axe-core" if not AXE.is_file() else ""
    if missing:
        reason = f"{missing} is not installed; scripts/install-browser.sh installs it"
        if os.environ.get("VCT_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Seen]]:
    """Opens a file at a size of the window, in a context of its own."""
    contexts = []

    def open_page(file: Path, size: str = "desktop", **options: Any) -> Seen:
        context = chromium.new_context(viewport=SIZES[size], **options)
        contexts.append(context)
        return Seen(context.new_page(), file)

    yield open_page
    for context in contexts:
        context.close()
