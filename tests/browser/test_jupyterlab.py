"""Every day as a learner meets it: JupyterLab in a real browser, with a real kernel."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from autograder.build.__main__ import make
from autograder.build.sources import source_paths
from autograder.rubric import load_exercises, load_free_answers

ROOT = Path(__file__).parents[2]
DAYS = [path.stem for path in source_paths(ROOT) if path.stem.startswith("day")]
SCREENS = ROOT / "build" / "screens"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip(
        "the browser tests were left out: there is no Chromium here (Debian: apt install chromium)",
        allow_module_level=True,
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """JupyterLab over the released and the solved notebooks, with nobody's settings; gives its address."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    for form, notebooks in zip(
        ("released", "solved"), make(ROOT, load_exercises(), load_free_answers()), strict=True
    ):
        (folder / form).mkdir()
        for path, text in notebooks.items():
            (folder / form / Path(path).name).write_text(text)
    # All cells in the page, not only those in sight, so that a test can look at each; and no question about news.
    for name, setting in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false", "checkForUpdates": false}'),
    ):
        file = home / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(setting)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {f"JUPYTER_{kind}_DIR": str(home) for kind in ("CONFIG", "DATA", "RUNTIME")} | {
        "IPYTHONDIR": str(home)
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=learner"]
    command += [f"--ServerApp.root_dir={folder}"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | places, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server, home / "log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, f"JupyterLab ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{address}/api/status?token=learner"):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def run_all(browser: Browser, lab: str, notebook: str) -> Page:
    """Open a notebook, choose Run > Run All Cells, and wait until no cell is running or waiting."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(60_000)
    page.goto(f"{lab}/lab/tree/{notebook}?token=learner&reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # the status bar: the kernel has started
    waiting = page.locator(".jp-InputPrompt", has_text="[*]:")
    for attempts_left in (2, 1, 0):  # on a busy machine a command can come before the kernel takes any
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        try:
            waiting.first.wait_for(timeout=15_000)
            break
        except PlaywrightTimeoutError:
            if not attempts_left:
                raise
    expect(waiting).to_have_count(0, timeout=400_000)  # a busy machine trains slowly
    return page


def errors(page: Page) -> Locator:
    return page.locator(".jp-OutputArea-output", has_text="Traceback (most recent call last)")


def screenshot(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png")


@pytest.mark.parametrize("day", DAYS)
def test_the_solved_notebook_runs_and_its_widgets_answer(browser, lab, day):
    page = run_all(browser, lab, f"solved/{day}.ipynb")
    try:
        assert errors(page).all_inner_texts() == []
        _folded, *prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_text_contents()
        assert all(prompt.strip("[]:").isdigit() for prompt in prompts), f"some cells did not run: {prompts}"
        for widget in page.locator(".jp-OutputArea-output .widget-vbox:has(.widget-html)").all():
            controls = widget.locator(CONTROLS).all()
            assert controls, "a widget without anything to move"
            for control in controls:
                move_until_it_answers(widget, control)
            screenshot(page, f"{day}_widget")
    finally:
        page.close()


CONTROLS = ".noUi-handle, input[type=text]:not(.widget-readout), input[type=checkbox], select"


def move_until_it_answers(widget: Locator, control: Locator) -> None:
    """Use a control until the picture is another one."""
    picture = widget.locator(".widget-html-content").last
    control.scroll_into_view_if_needed()
    before = picture.inner_html()
    kind = control.evaluate("e => e.tagName == 'SELECT' ? 'select' : e.type || 'slider'")
    for attempt in range(12):
        match kind:
            case "select":
                control.select_option(index=(attempt + 1) % control.locator("option").count())
            case "checkbox":
                control.click()
            case "text":
                control.fill("a to a" if attempt % 2 == 0 else "to be")
            case _:
                control.press("ArrowRight" if attempt < 6 else "ArrowLeft")
        for _ in range(20):
            if picture.inner_html() != before:
                return
            control.page.wait_for_timeout(50)
    raise AssertionError(f"a {kind} was moved, and the picture stayed: {widget.inner_text()[:300]}")


def test_the_released_notebook_stops_at_the_first_stub_and_says_what_to_write(browser, lab):
    page = run_all(browser, lab, "released/day09_attention.ipynb")
    errors(page).scroll_into_view_if_needed()  # refuses if there is more than one
    screenshot(page, "day09_released")
    last = errors(page).inner_text().strip().splitlines()[-1]
    assert last == "NotImplementedError: Day 9: write causal_mask(T, device) and run its cell."
