"""How an attack is written: a function that returns a submission, and a sentence that says what it tries.

    @attack
    def replaced_allclose():
        '''torch.allclose and torch.equal say yes to everything.'''
        return garbage(first="torch.allclose = torch.equal = lambda *a, **k: True")

Every attack is written around the same garbage (three stubs that return zeros), so that what it earns beyond the
garbage is what cheating paid. None does lasting harm even where it succeeds: bombs are bounded, files are written
into folders that the test made, and the network ends at a listener of the test's own.

In a submission's text these words stand for things that the test knows:

    @FOLDER@   a folder of the test with `canary.txt`, outside of everything that is graded
    @CLASS@    the folder of submissions
    @OUT@      the folder of reports and the gradebook
    @ROOT@     the repository
    @PORT@     the port of a TCP and a UDP listener on 127.0.0.1
    @SOCKET@   a listening Unix socket, and the name of an abstract one
    @TOKEN@    a random word: where it turns up afterwards, an attack has left something behind
    @NAME@     the attack's name
"""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autograder.build.samples import ATTEND, MASK, RELEASED, WEIGHTS, code, notebook, position

THEMES = (
    "patching", "lying_objects", "hunting", "metadata", "channel", "bombs", "escaping", "others", "rendering",
    "reading", "design",
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """One attack.

    `costly` ones aim at the grader's own time or memory, and are measured while they are graded; `apart` ones aim at
    the command as a whole, and get a class of their own.
    """

    name: str
    theme: str
    tries: str  # one sentence
    make: Callable[[], Any]
    costly: bool = False
    apart: bool = False

    def files(self) -> dict[str, "bytes | Link"]:
        """The submission's files by their paths in the class's folder; the words in @…@ are not yet replaced."""
        made = self.make()
        files = made if isinstance(made, Files) else Files({f"{self.name}.ipynb": made})
        return {
            path.replace("@NAME@", self.name): as_bytes(content, self.name) for path, content in files.items()
        }


class Files(dict):
    """What an attack returns that hands in another file than NAME.ipynb, or several."""


@dataclass(frozen=True)
class Link:
    """A symbolic link, or with no target a named pipe, or with a size a sparse file."""

    target: str | None = None
    size: int = 0


def as_bytes(content: Any, name: str) -> "bytes | Link":
    if isinstance(content, Link):
        return content
    if isinstance(content, dict):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode()
    return content.replace(b"@NAME@", name.encode())


ATTACKS: dict[str, Attack] = {}


def attack(function: Callable | None = None, **options: bool) -> Callable:
    """Register an attack."""
    if function is None:
        return lambda function: attack(function, **options)
    tries = " ".join((function.__doc__ or "").split())
    if not tries or function.__name__ in ATTACKS:
        raise TypeError(f"{function.__name__} needs a docstring, and a name of its own")
    made = Attack(function.__name__, function.__module__, tries, function, **options)
    ATTACKS[made.name] = made
    return function


def load() -> dict[str, Attack]:
    """All attacks by name."""
    for theme in THEMES:
        importlib.import_module(theme)
    return ATTACKS


RELEASED_CELLS = json.loads(RELEASED.read_text(encoding="utf-8"))["cells"]

# --- The garbage --------------------------------------------------------------------------------------

GARBAGE = {
    MASK: """
def causal_mask(T, device=None):
    return torch.zeros(T, T, dtype=torch.bool, device=device)
""",
    WEIGHTS: """
def attention_weights(q, k, mask=None):
    return torch.zeros(*q.shape[:-1], k.shape[-2])
""",
    ATTEND: """
def attend(q, k, v, mask=None):
    return torch.zeros(*q.shape[:-1], v.shape[-1])
""",
}


def garbage(
    first: str = "", last: str = "", mask: str = "", weights: str = "", attend: str = "", everywhere: str = ""
) -> dict:
    """The notebook with constants for answers.

    `first` is a cell above the answers and `last` one below them; `mask`, `weights` and `attend` replace a constant;
    `everywhere` runs at the top of each of the three functions.
    """
    given = {MASK: mask, WEIGHTS: weights, ATTEND: attend}
    answers = {exercise: given[exercise] or GARBAGE[exercise] for exercise in GARBAGE}
    if everywhere:
        body = "".join(f"    {line}\n" for line in everywhere.strip("\n").splitlines())
        answers = {
            exercise: text.replace("    return", body + "    return") for exercise, text in answers.items()
        }
    made = notebook({exercise: text.strip("\n") for exercise, text in answers.items()})
    if first:
        made["cells"].insert(position(made, MASK), code(first, "attack-first"))
    if last:
        made["cells"].append(code(last, "attack-last"))
    return made


def edit(made: dict, exercise: str, **fields: Any) -> dict:
    """The notebook with fields of an exercise's cell changed."""
    made["cells"][position(made, exercise)] |= fields
    return made
