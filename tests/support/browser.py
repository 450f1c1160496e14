"""A real Chromium that sees and clicks what a person does; every address that its pages ask for is written down."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZE = {"width": 1280, "height": 800}
N_COLOURS = 256  # of the pictures that are kept: the pages have few, and a quarter of the bytes is enough
FOLDER_VARIABLE = "BROWSER_SCREENSHOTS"
SLOW_MS = 60_000  # for what waits behind two processors that others use as well


@dataclass(frozen=True)
class Browser:
    """One window."""

    page: Any  # playwright.sync_api.Page, which is imported only where there is a Chromium to drive
    folder: Path
    addresses: list[str] = field(default_factory=list)  # of every request of any page, in order

    def keep(self, name: str) -> None:
        """Keep a picture of what is seen now."""
        self.page.mouse.move(0, 0)  # nothing is lit up by the pointer
        seen = Image.open(io.BytesIO(self.page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
        self.folder.mkdir(parents=True, exist_ok=True)
        seen.quantize(N_COLOURS, dither=Image.Dither.NONE).save(self.folder / f"{name}.png", optimize=True)

    def strangers(self) -> set[str]:
        """What was asked of anybody but this machine; a page may hold data of its own."""
        parts = [(address, urlsplit(address)) for address in self.addresses]
        return {a for a, p in parts if p.scheme not in ("data", "blob", "about") and p.hostname != "127.0.0.1"}


@contextmanager
def a_browser(folder: Path) -> Iterator[Browser]:
    """A window of a Chromium that is installed, or a skipped test.

    Pictures go to the folder that ``BROWSER_SCREENSHOTS`` names, else to ``folder``.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(PROGRAMS)} is on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright, of the development tools, is missing")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        context = chromium.new_context(viewport=SIZE)
        context.set_default_timeout(SLOW_MS)
        browser = Browser(context.new_page(), Path(os.environ.get(FOLDER_VARIABLE) or folder))
        context.on("request", lambda request: browser.addresses.append(request.url))
        browser.page.on("websocket", lambda opened: browser.addresses.append(opened.url))
        yield browser
        chromium.close()
