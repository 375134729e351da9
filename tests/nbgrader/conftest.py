"""What the tests of nbgrader share: a course, made once."""

from pathlib import Path

import pytest

from autograder.nbgrader.course import make_course

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made_course(tmp_path_factory) -> Path:
    """A course as `autograder course` makes it; whoever changes it takes a copy."""
    course = tmp_path_factory.mktemp("made")
    make_course(ROOT, course)
    return course
