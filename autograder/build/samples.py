"""Makes the sample class: sixteen submissions of Day 9, from the released notebook.

Run it after the release has changed: python -m autograder.build.samples
What each should get, and why, stands in tests/grader/test_grade.py.
"""

import copy
import inspect
import json
from collections.abc import Callable
from pathlib import Path

from autograder.misconception import load_known_answers
from autograder.rubric import load_exercises
from autograder.submission import ROOT
from handmade.files import write_atomically

HERE = Path(__file__).parents[1] / "samples"
RELEASED = ROOT / "course" / "week2_attention" / "day09_attention.ipynb"
MASK, WEIGHTS, ATTEND = "day09.causal_mask", "day09.attention_weights", "day09.attend"


def model_answers() -> dict[str, str]:
    """The library's own code for each exercise."""
    exercises = load_exercises()
    return {name: inspect.getsource(exercises[name].reference()) for name in (MASK, WEIGHTS, ATTEND)}


def known(exercise: str, sentence: str) -> str:
    """The source of the known answer whose sentence starts so."""
    (found,) = [k for k in load_known_answers()[exercise] if k.sentence.startswith(sentence)]
    return found.source()


def notebook(answers: dict[str, str]) -> dict:
    """The released notebook with these answers in place of their stubs."""
    made = json.loads(RELEASED.read_text(encoding="utf-8"))
    for exercise, answer in answers.items():
        made["cells"][position(made, exercise)]["source"] = answer.rstrip("\n")
    return made


def position(made: dict, exercise: str) -> int:
    """Where the exercise's cell stands."""
    return [cell["id"] for cell in made["cells"]].index(load_exercises()[exercise].cell_id)


def code(source: str, id: str, outputs: list | None = None) -> dict:
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": id,
        "metadata": {},
        "outputs": outputs or [],
        "source": source.strip("\n"),
    }


# --- The class ----------------------------------------------------------------------------------------


def ada() -> dict:
    """All right, as in the library."""
    return notebook(model_answers())


def grace() -> dict:
    """Right in another style: helpers in cells of their own, other names for the arguments."""
    made = notebook(
        {
            MASK: known(MASK, "By comparing positions"),
            WEIGHTS: """
def attention_weights(queries, keys, allowed=None):
    s = similarity(queries, keys)
    return F.softmax(s if allowed is None else hide(s, allowed), -1)
""",
            ATTEND: """
def attend(queries, keys, values, allowed=None):
    return torch.einsum("...ts,...sd->...td", attention_weights(queries, keys, allowed), values)
""",
        }
    )
    made["cells"].insert(
        position(made, WEIGHTS),
        code(
            """
def similarity(queries, keys):
    return torch.einsum("...td,...sd->...ts", queries, keys) * queries.size(-1) ** -0.5

LOWEST = float("-inf")

def hide(s, allowed):
    return torch.where(allowed, s, LOWEST)
""",
            "helpers",
        ),
    )
    return made


def alan() -> dict:
    return notebook(model_answers() | {WEIGHTS: known(WEIGHTS, "The mask is applied after the softmax")})


def barbara() -> dict:
    return notebook(model_answers() | {WEIGHTS: known(WEIGHTS, "The scores are not scaled")})


def charles() -> dict:
    return notebook(model_answers() | {MASK: known(MASK, "The mask is transposed")})


def dorothy() -> dict:
    return notebook(model_answers() | {ATTEND: known(ATTEND, "The mask is not passed on")})


def edsger() -> dict:
    return notebook(model_answers() | {WEIGHTS: known(WEIGHTS, "The queries are scaled in place")})


def frances() -> dict:
    """Two mistakes in one exercise, which no single name fits."""
    return notebook(
        model_answers()
        | {
            WEIGHTS: """
def attention_weights(q, k, mask=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores * mask
    return torch.softmax(scores, dim=-1)
"""
        }
    )


def george() -> dict:
    """The first two solved, and the third begun."""
    answers = model_answers()
    return notebook({MASK: answers[MASK], WEIGHTS: answers[WEIGHTS]})


def hedy() -> dict:
    """As released."""
    return notebook({})


def ida() -> str:
    """Cut off while it was being uploaded."""
    return as_text(ada())[:20_000]


def john() -> dict:
    """Right, and saved by a tool that keeps neither ids nor metadata nor nbformat_minor, as Colab may."""
    made = ada()
    for number, cell in enumerate(made["cells"]):
        del cell["id"]
        cell["metadata"] = {"id": f"Zx{number:09}", "colab": {"base_uri": "https://localhost:8080/"}}
    made["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
    }
    made["nbformat_minor"] = 0
    return made


def katherine() -> dict:
    """Right, with cells duplicated: an earlier try above, ids and grade ids twice."""
    made = ada()
    for exercise, earlier in ((ATTEND, known(ATTEND, "The mask is not passed on")), (MASK, None)):
        at = position(made, exercise)
        double = copy.deepcopy(made["cells"][at])
        double["source"] = earlier or double["source"]
        made["cells"].insert(at, double)
    check = position(made, ATTEND) + 3
    made["cells"].insert(check, copy.deepcopy(made["cells"][check]))
    return made


def linus() -> dict:
    """A syntax error in one cell."""
    return notebook(
        model_answers()
        | {WEIGHTS: model_answers()[WEIGHTS].replace("if mask is not None:", "if mask is not None")}
    )


def margaret() -> dict:
    """A loop that never ends."""
    return notebook(
        model_answers()
        | {
            WEIGHTS: """
def attention_weights(q, k, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    t = 0
    while t < q.shape[-2]:
        if mask is not None:
            scores[..., t, :] = scores[..., t, :].masked_fill(~mask[t], float("-inf"))
    return torch.softmax(scores, dim=-1)
"""
        }
    )


def niklaus() -> str:
    """Right, and noisy: prints, warnings, progress bars, plots, magics, a demo that fails, big outputs, a BOM."""
    made = ada()
    made["cells"][position(made, ATTEND)]["source"] = (
        f"%%time\n{model_answers()[ATTEND]}print('defined attend')"
    )
    made["cells"].insert(
        2,
        code(
            """
!pip install --quiet einops
%matplotlib inline
%load_ext autoreload
import sys, warnings
warnings.warn("this cell is noisy")
print("to stderr", file=sys.stderr)
files = !ls
""",
            "noise",
            [{"output_type": "stream", "name": "stderr", "text": "UserWarning: this cell is noisy\n" * 500}],
        ),
    )
    made["cells"] += [
        code(
            """
from tqdm.auto import tqdm
for T in tqdm(range(1, 200)):
    print(causal_mask(T).sum())
""",
            "bar",
        ),
        code(
            """
import matplotlib.pyplot as plt
from IPython.display import HTML, display
plt.imshow(causal_mask(20)); plt.show()
display(HTML("<script>alert('hello')</script>"))
%time weights = attention_weights(torch.randn(4, 8), torch.randn(4, 8))
attend?
""",
            "plot",
            [
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {
                        "text/html": "<script>alert('hello')</script>",
                        "image/png": "iVBORw0KGgo" * 2000,
                    },
                }
            ],
        ),
        code("attend(torch.randn(3, 4), torch.randn(3, 5), torch.randn(3, 4))  # what happens?", "fails"),
        code("%%bash\necho done", "shell"),
    ]
    made["metadata"]["kernelspec"] = {
        "display_name": "my-env",
        "language": "python",
        "name": "conda-env-my-env-py",
    }
    return "\ufeff" + as_text(made)


def as_text(made: dict) -> str:
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


CLASS: list[Callable[[], dict | str]] = [
    ada, grace, alan, barbara, charles, dorothy, edsger, frances,
    george, hedy, ida, john, katherine, linus, margaret, niklaus,
]  # fmt: skip


def samples() -> dict[str, str]:
    """The files, by name."""
    files = {}
    for learner in CLASS:
        made = learner()
        files[f"{learner.__name__}.ipynb"] = made if isinstance(made, str) else as_text(made)
    return files


if __name__ == "__main__":
    for name, text in samples().items():
        with write_atomically(HERE / name) as file:
            file.write(text)
        print(f"wrote {name}")
