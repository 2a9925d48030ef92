"""A person's browser: headless Chromium, which remembers all that a page asked for, said and did."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, expect, sync_playwright

SIZE = {"width": 1400, "height": 900}
PATIENCE = 30.0  # seconds until what is waited for must be there
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# MLflow's assistant opens by itself at a browser's first visit; and whatever a page runs of a user's text is told.
BEGIN = """
if (location.protocol !== 'about:') localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
Object.defineProperty(window, 'pwned', {set() { console.error('a text was run') }});
"""
# What MLflow's page says of itself on an empty store as well; it asks who is logged in where nobody can be.
ITS_OWN = ("ResizeObserver loop completed", "/ajax-api/2.0/mlflow/users/current")
FOLD = '[data-component-id$="runnamecellrenderer.tsx_46"]'  # the `+` before a run that has others under it
TRIAL = re.compile(r"^lstm h\d+(x\d)? lr \S+")  # how a trial is called
KEPT = os.environ.get("LSTM_BENCH_SCREENSHOTS")  # a folder that keeps what the tests saw


def chromium() -> str | None:
    """Where a Chromium is, if there is one."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


@contextmanager
def started(path: str) -> Iterator[Browser]:
    """A browser that runs."""
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """Somebody who comes for the first time.

    Args:
        browser: which they use.

    Attributes:
        page: what they look at.
        asked: addresses that the page asked for.
        errors: what the page's console calls one, and exceptions that nobody caught.
        dialogs: what opened in front of the page.
    """

    def __init__(self, browser: Browser) -> None:
        self._context = browser.new_context(viewport=SIZE)
        self._context.set_default_timeout(1000 * PATIENCE)
        self._context.add_init_script(BEGIN)
        self.page = self._context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._dismiss)

    def _hear(self, message: ConsoleMessage) -> None:
        said = f"{message.text} ({message.location['url']})"
        if message.type == "error" and not any(own in said for own in ITS_OWN):
            self.errors.append(said)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def go(self, address: str) -> None:
        """Open an address in a document of its own: one that differs after `#` alone would stay in the one before."""
        self.page.goto("about:blank")
        self.page.goto(address, wait_until="commit")  # `networkidle` never comes

    def see(self, text: str, *, exact: bool = False) -> Locator:
        """The first place where a text stands, once it does."""
        found = self.page.get_by_text(text, exact=exact).locator("visible=true").first
        found.wait_for()
        return found

    def run(self, name: str | re.Pattern[str]) -> Locator:
        """The first row of the table that is of a run of that name."""
        link = self.page.get_by_role("link", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=link).first

    def unfold(self, name: str | re.Pattern[str]) -> None:
        """Show what stands under a run."""
        self.run(name).locator(FOLD).click()

    def pair(self, name: str) -> Locator:
        """The row of a parameter or a metric: its name and its value."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_text(name, exact=True)).first

    def keep(self, name: str) -> None:
        """Keep what is seen as a picture, where somebody wants them."""
        if KEPT:
            path = Path(KEPT) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(1000)  # what moves comes to rest
            self.page.screenshot(path=path)
            few = Image.open(path).convert("RGB").quantize(dither=Image.Dither.NONE)
            few.save(path, optimize=True)  # 256 colours: a third of the bytes

    def leave(self) -> None:
        """Close the page, with all that the browser remembers of it."""
        self._context.close()
