"""Day 9 as a learner meets it: JupyterLab in a real browser, with a real kernel."""

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
from autograder.rubric import load_exercises, load_free_answers

ROOT = Path(__file__).parents[2]
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
    released, solved = make(ROOT, load_exercises(), load_free_answers())
    day = "week2_attention/day09_attention.ipynb"
    (folder / "released.ipynb").write_text(released[day])
    (folder / "solved.ipynb").write_text(solved[day])
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
    expect(waiting).to_have_count(0, timeout=120_000)
    return page


def errors(page: Page) -> Locator:
    return page.locator(".jp-OutputArea-output", has_text="Traceback (most recent call last)")


def screenshot(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png")


@pytest.fixture(scope="module")
def solved(browser, lab) -> Page:
    return run_all(browser, lab, "solved.ipynb")


def test_the_solved_notebook_runs(solved):
    screenshot(solved, "day09_solved")
    assert errors(solved).all_inner_texts() == []
    _folded, *prompts = solved.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_text_contents()
    assert all(prompt.strip("[]:").isdigit() for prompt in prompts), f"some cells did not run: {prompts}"


def test_moving_the_slider_changes_the_picture(solved):
    handle = solved.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    picture = ".widget-html svg"
    before = solved.locator(picture).inner_html()
    handle.focus()
    for _ in range(8):
        handle.press("ArrowRight")
    solved.wait_for_function(
        "([picture, before]) => document.querySelector(picture).innerHTML != before", arg=[picture, before]
    )
    screenshot(solved, "day09_slider")


def test_the_released_notebook_stops_at_the_first_stub_and_says_what_to_write(browser, lab):
    page = run_all(browser, lab, "released.ipynb")
    errors(page).scroll_into_view_if_needed()  # refuses if there is more than one
    screenshot(page, "day09_released")
    last = errors(page).inner_text().strip().splitlines()[-1]
    assert last == "NotImplementedError: Day 9: write causal_mask(T, device) and run its cell."
