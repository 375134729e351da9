"""The progress bar in its three places: a terminal, a notebook and a log."""

import io
import re
import subprocess
import sys

import pytest

from handmade import progress as progress_module
from handmade.progress import Progress, format_seconds, progress


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")])
def test_seconds_are_shown_as_on_a_clock(seconds, text):
    assert format_seconds(seconds) == text


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only when told to."""
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_is_counted_from_what_this_run_did(clock):
    bar = Progress(100, "training", start=50, show=False)
    assert "starting" in bar.line()
    for _ in range(10):
        clock[0] += 2
        bar.advance("loss 1.234")
    assert bar.line().endswith("60/100 · 1:20 left · loss 1.234"), "40 steps at 2 s each are left"
    bar.advance()
    assert bar.line().endswith("loss 1.234"), "a note stays until the next one"


def test_a_log_gets_the_last_line_and_one_a_minute(clock, capsys):
    for _ in progress(range(1000), "work"):
        clock[0] += 0.3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5, "300 seconds of work: four lines on the way and the last"
    assert "1000/1000 · took 5:00" in lines[-1]


def test_a_terminal_redraws_one_line_and_text_stands_above_it(clock, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with Progress(20, "work") as bar:
        for step in range(20):
            clock[0] += 0.2
            bar.advance()
            if step == 10:
                bar.write("a sample")
    printed = sys.stdout.getvalue()
    assert re.sub(r"[^\n]*\r\x1b\[K", "", printed).startswith("a sample\n"), "text overwrote the bar"
    assert printed.count("\n") == 2, "the sample's line and the bar's"
    assert printed.count("\r") > 20, "the bar was not redrawn"


def test_nothing_is_shown_where_nothing_is_wanted(capsys):
    with Progress(3, show=False) as bar:
        bar.advance()
        bar.write("a sample")
    assert capsys.readouterr().out == ""


def test_no_steps_at_all_is_a_full_bar(capsys):
    assert list(progress([])) == []
    assert "0/0" in capsys.readouterr().out


def test_a_notebook_has_one_output_that_is_replaced():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cell = """
import time
from handmade.progress import Progress
with Progress(30, "work") as bar:
    for step in range(30):
        time.sleep(0.02)
        bar.advance()
        if step == 15:
            bar.write("a sample")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    displays = [o for o in notebook.cells[0].outputs if o.output_type == "display_data"]
    streams = [o for o in notebook.cells[0].outputs if o.output_type == "stream"]
    assert len(displays) == 1, "one bar, not a wall of lines"
    assert "30/30" in displays[0].data["text/plain"], "the one output shows the end"
    assert "".join(o.text for o in streams) == "a sample\n" and streams[0].name == "stdout"


def test_the_bar_needs_no_notebook_to_be_imported():
    """A plain Python process must not pay for IPython."""
    code = "import sys, handmade.progress as p; p.Progress(1); print('IPython' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
