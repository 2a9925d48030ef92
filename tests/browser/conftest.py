"""A browser in front of the UI over a results folder that our own commands made: once for all tests here."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from served import Ui, serving
from shell import call
from shown import FILES, STUDIES
from visitor import Visitor, chromium, started


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    if not chromium():
        pytest.skip("no Chromium: `apt-get install chromium`")
    folder = tmp_path_factory.mktemp("shown")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for name, arguments in STUDIES.items():
        made = call(folder, "search", *arguments, "--name", name, "--workers", "2")
        assert made.returncode == 0, made.stderr
    with serving(folder) as served:
        yield served


@pytest.fixture(scope="module")
def running(ui: Ui) -> Iterator[Browser]:  # noqa: ARG001  # a browser with nothing to look at would be slow
    path = chromium()
    assert path
    with started(path) as browser:
        yield browser


@pytest.fixture
def visitor(ui: Ui, running: Browser) -> Iterator[Visitor]:
    """Whatever a test looks at: the page asks nobody else, runs no text of ours, opens no dialog, meets no error."""
    found = Visitor(running)
    yield found
    found.leave()
    assert {urlsplit(address).netloc for address in found.asked if address.startswith("http")} == {
        urlsplit(ui.base).netloc
    }
    assert found.dialogs == []
    assert found.errors == []
