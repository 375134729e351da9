"""`autograder verify`: the matrix of items and known answers, and what it says of a rubric that is wrong."""

from autograder import cli
from autograder.misconception import KnownAnswer, load_known_answers
from autograder.rubric import load_exercises
from autograder.verify import verify


def test_the_matrix_has_a_line_for_each_known_answer(capsys):
    assert cli.main(["verify", "day09", "--seeds", "1"]) == 0
    printed = capsys.readouterr().out
    for name, answers in load_known_answers().items():
        if name.startswith("day09."):
            assert all(known.sentence in printed for known in answers), name
    assert "All as aimed." in printed and "NOT AS AIMED" not in printed


def test_an_answer_that_loses_something_else_is_pointed_out(monkeypatch, capsys):
    exercise = load_exercises()["day09.causal_mask"]
    by_sentence = {known.sentence: known for known in load_known_answers()[exercise.name]}
    diagonal = next(known for sentence, known in by_sentence.items() if sentence.startswith("The diagonal"))
    misaimed = KnownAnswer(exercise.name, diagonal.code, diagonal.sentence, frozenset({"form"}))
    not_right = KnownAnswer(exercise.name, diagonal.code, diagonal.sentence, frozenset())
    answers = {exercise.name: [diagonal, misaimed, not_right]}
    monkeypatch.setattr("autograder.verify.load_known_answers", lambda: answers)
    assert [row.as_aimed for row in verify(exercise, range(3)).rows] == [True, False, False]
    monkeypatch.setattr("autograder.rubric.load_exercises", lambda: {exercise.name: exercise})
    assert cli.main(["verify", "--seeds", "2"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("NOT AS AIMED") == 2 and "Some are not as aimed." in printed
