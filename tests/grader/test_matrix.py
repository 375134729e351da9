"""The matrix of `autograder verify`: what an item catches alone, what slips through, and the page that says so."""

from dataclasses import replace

import pytest
from pages import check_elements

from autograder import cli
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rubric import load_exercises
from autograder.verify import MARKS, Matrix, Row, verify, write_page

MASK, ATTEND = load_exercises()["day09.causal_mask"], load_exercises()["day09.attend"]


def row(*lost: str, fails: str = "") -> Row:
    """An answer that loses these items, a text a seed."""
    known = KnownAnswer(ATTEND.name, None, "A <mistake>.", frozenset(fails.split()))
    return Row(ATTEND, known, tuple(frozenset(each.split()) for each in lost))


def kinds(one: Row) -> dict[str, str]:
    found = {item.name: one.kind(item) for item in one.exercise.items}
    return {name: kind for name, kind in found.items() if kind != "passed"}


@pytest.mark.parametrize(
    ("one", "wanted", "as_aimed"),
    [
        (row("values", "values", fails="values"), {"values": "caught"}, True),
        (row("values pytorch", "values", fails="values"), {"values": "caught", "pytorch": "beside"}, True),
        (row("seen", "seen", fails="values"), {"values": "missed", "seen": "stray"}, False),
        (row("values", "", fails="values"), {"values": "wavers"}, False),
        (row("", "", fails="values"), {"values": "missed"}, False),
        (row("", "pytorch"), {"pytorch": "stray"}, False),
        (row("pytorch", "pytorch", fails="pytorch"), {"pytorch": "caught"}, True),
        (row("", ""), {}, True),
    ],
)
def test_how_an_item_and_an_answer_meet(one, wanted, as_aimed):
    assert kinds(one) == wanted
    assert one.as_aimed is as_aimed


def test_what_an_item_alone_catches():
    rows = [
        row("values pytorch", fails="values"),  # the net beside it does not count
        row("values widths pytorch", fails="values widths"),
        row("pytorch", fails="pytorch"),
        row("seen", "", fails="seen"),  # one seed in two is not caught
        row("widths"),  # a right answer that is lost is nothing caught
    ]
    alone = Matrix(ATTEND, tuple(rows)).alone
    assert {name: count for name, count in alone.items() if count} == {"values": 1, "pytorch": 1}


def test_a_rubric_that_lost_an_item_says_what_it_no_longer_catches(monkeypatch, tmp_path, capsys):
    """The item `itself` is weakened until it passes for everything."""
    weak = [replace(i, check=lambda learner, rand: None) if i.name == "itself" else i for i in MASK.items]
    monkeypatch.setattr(
        "autograder.rubric.load_exercises", lambda: {MASK.name: replace(MASK, items=tuple(weak))}
    )
    assert cli.main(["verify", "--seeds", "1", "--out", str(tmp_path / "matrix.html")]) == 1
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "NOT AS AIMED" in line]
    assert len(lines) == 2 and all(line.split()[1] == "?" for line in lines), printed
    assert "The diagonal is masked too" in lines[0] and "The mask is inverted" in lines[1]
    assert "Nothing is caught by these items alone: day09.causal_mask/itself." in printed
    parsed = check_elements((tmp_path / "matrix.html").read_text())
    assert "No wrong answer is caught by itself alone" in parsed.text
    assert parsed.text.count("Not as aimed.") == 2


def test_the_page_has_a_row_an_answer_with_a_mark_an_item(tmp_path):
    matrix = verify(MASK, range(1))
    write_page([matrix], 1, tmp_path / "matrix.html")
    parsed = check_elements((tmp_path / "matrix.html").read_text())
    known = load_known_answers()[MASK.name]
    assert all(each.sentence in parsed.text for each in known)
    marks = [a["class"] for _, a in parsed.elements if a.get("class", "").startswith("kind ")]
    assert len(marks) == len(MARKS) + len(known) * len(MASK.items), "a mark for each, and the legend's"
    assert "All is as aimed, and each item is needed." in parsed.text


def test_the_words_of_a_mark_are_on_the_page_and_not_its_colour_alone(tmp_path):
    rows = (row("seen", fails="values"), row("values", "", fails="values"))
    write_page([Matrix(ATTEND, rows)], 2, tmp_path / "matrix.html")
    text = check_elements((tmp_path / "matrix.html").read_text()).text
    for words in ("? not caught", "! not aimed", "~ not always", "Not as aimed. Wrong: A <mistake>."):
        assert words in text, f"{words!r} is not in {text}"


def test_a_page_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("autograder.rubric.load_exercises", lambda: {MASK.name: MASK})
    assert cli.main(["verify", "--seeds", "1", "--out", str(tmp_path / "nowhere" / "x.html")]) == 2
    said = capsys.readouterr().err
    assert "Cannot write" in said and said.count("\n") == 1
