"""A submission of a few cells, run as the examiner runs it: in jailed processes of one nursery."""

from contextlib import ExitStack, closing

import pytest
from cells import notebook

from autograder.grade import the_nursery
from autograder.remote import Channel, Learner
from autograder.rubric import load_exercises
from autograder.session import Session
from autograder.submission import read_cells


@pytest.fixture
def submit():
    """submit(*cells): a submission of Day 9 made of these."""
    with ExitStack() as stack:

        def submit(*cells: dict | str, seconds: float = 2.0) -> Session:
            session = Session(read_cells(notebook(*cells), "ada.ipynb"), "day09", the_nursery(), seconds)
            return stack.enter_context(closing(session))

        yield submit


@pytest.fixture
def enter():
    """enter(submission): what it defines, in a process for one exercise, reached as a rubric reaches it."""
    with ExitStack() as stack:

        def enter(session: Session, exercise: str = "day09.attend", corrected: bool = True) -> Learner:
            process = stack.enter_context(closing(session.open(load_exercises()[exercise], corrected)))
            process.allow(session.seconds)
            return Learner(Channel(process.send))

        yield enter
