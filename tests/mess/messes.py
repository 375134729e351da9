"""How an honest but messy submission is written: a function of the answers that returns the file handed in.

    @mess
    def bom(answers):
        '''The file starts with a byte order mark, as Windows editors write it.'''
        return "\ufeff" + as_text(notebook(answers))

`answers` maps an exercise to the code of its answer. The same mess is made once with the right answers and once with
wrong ones, and must get what the clean notebook with these answers gets: no more and no less.

A `style` is a mess of the answers themselves: other code that is right all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autograder.build.samples import (
    ATTEND,
    MASK,
    WEIGHTS,
    as_text,
    code,
    known,
    model_answers,
    notebook,
    position,
)

Answers = dict[str, str]
Made = dict | str | bytes

RIGHT: Answers = model_answers()
WRONG: Answers = {
    MASK: known(MASK, "The mask is transposed"),
    WEIGHTS: known(WEIGHTS, "The scores are not scaled"),
    ATTEND: known(ATTEND, "The mask is not passed on"),
}


@dataclass(frozen=True)
class Mess:
    """One mess. `limit` is the seconds that each cell may take."""

    name: str
    says: str
    make: Callable[[Answers], Made]
    file: str
    limit: float

    def raw(self, answers: Answers) -> bytes:
        """The file's bytes."""
        made = self.make(answers)
        made = as_text(made) if isinstance(made, dict) else made
        return made.encode() if isinstance(made, str) else made


MESSES: dict[str, Mess] = {}
STYLES: dict[str, Mess] = {}


def mess(make: Callable | None = None, *, file: str = "ada.ipynb", limit: float = 10.0) -> Callable:
    """Register a mess, of a notebook or of a file with another name."""
    if make is None:
        return lambda make: mess(make, file=file, limit=limit)
    assert make.__doc__ and make.__name__ not in MESSES, (
        f"{make.__name__} needs a docstring, and a name of its own"
    )
    MESSES[make.__name__] = Mess(make.__name__, make.__doc__, make, file, limit)
    return make


def style(make: Callable[[], Answers]) -> Callable:
    """Register a style: a function that returns the answers that are written in it."""
    assert make.__doc__ and make.__name__ not in STYLES, (
        f"{make.__name__} needs a docstring, and a name of its own"
    )
    STYLES[make.__name__] = Mess(
        make.__name__, make.__doc__, lambda right: notebook(right | make()), "ada.ipynb", 10.0
    )
    return make


def above(answers: Answers, source: str) -> dict:
    """The notebook with one cell more before the first answer."""
    made = notebook(answers)
    made["cells"].insert(position(made, MASK), code(source, "extra"))
    return made


def below(answers: Answers, source: str) -> dict:
    """The notebook with one cell more at its end."""
    made = notebook(answers)
    made["cells"].append(code(source, "extra"))
    return made


def both(answers: Answers, source: str) -> dict:
    """The notebook with the same extra cell at both places."""
    made = above(answers, source)
    made["cells"].append(code(source, "extra-again"))
    return made


def anonymous(made: dict, minor: int = 4) -> dict:
    """The notebook as tools leave it that keep neither ids nor metadata."""
    for cell in made["cells"]:
        cell.pop("id", None)
        cell["metadata"] = {}
    return made | {"metadata": {}, "nbformat_minor": minor}


def answer_cells(made: dict) -> list[dict]:
    """The three cells with the answers."""
    return [made["cells"][position(made, exercise)] for exercise in (MASK, WEIGHTS, ATTEND)]
