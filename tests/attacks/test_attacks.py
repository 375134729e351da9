"""No attack earns more than the garbage that it is written around, and none touches anybody else.

One class is graded by the command: all attacks, and beside each that could do harm an honest learner. Those that
aim at the grader's own time or memory are graded one by one, where their cost can be measured.
`python tests/attacks/scene.py NAME` shows what an attack earned, and why.
"""

import collections
import contextlib
import ctypes
import html.parser
import json
import re
import threading
import time

import jsonschema
import pytest
from channel import hijacked
from design import by_heart
from naive import grade_naively
from registry import Attack, garbage, load, notebook
from scene import ROOT, SECRETS, Scene, grade_alone, tree

from autograder.build.samples import model_answers
from autograder.jail.linux import landlock_version
from autograder.names import shown_name
from autograder.report import clean

SCHEMA = json.loads((ROOT / "autograder" / "report_schema.json").read_text())
FULL = {"day09.causal_mask": 5, "day09.attention_weights": 12, "day09.attend": 9}
NOTHING = dict.fromkeys(FULL, 0)  # what the garbage earns: `test_the_garbage_earns_nothing`
ENOUGH = 480  # seconds for the class; far more than it takes
# What a submission may cost the grader itself, with a limit of 2 seconds; an honest one costs 0.2 and 50.
MOST_SECONDS, MOST_MEGABYTES = 20, 1500

ATTACKS = load()
IN_CLASS = [attack for attack in ATTACKS.values() if not attack.costly and not attack.apart]
APART = [attack for attack in ATTACKS.values() if attack.apart]
HARMFUL = [a for a in IN_CLASS if a.theme in ("patching", "channel", "bombs", "escaping", "others")]
COSTLY = [attack for attack in ATTACKS.values() if attack.costly]


def by_name(attacks: list[Attack]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("attack", attacks, ids=lambda attack: f"{attack.theme}-{attack.name}")


class Graded:
    """The class once it is graded, and all that was noted before and after."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        # Somebody was graded last week: neither their report nor their scores may change.
        scene.hand_in_honest("zoe")
        self.first = scene.command(ENOUGH)
        assert self.first.returncode == 0, f"nothing can be graded at all: {self.first.stderr}"
        self.zoe = (scene.out / "day09" / "zoe.json").read_bytes()
        (scene.submissions / "zoe.ipynb").unlink()

        told = json.loads(self.zoe)["seed"]
        (scene.submissions / "by_heart.ipynb").write_text(json.dumps(by_heart(told)))
        (scene.submissions / "garbage.ipynb").write_text(json.dumps(garbage()))
        scene.hand_in_honest("anna maria")
        for attack in IN_CLASS:
            scene.hand_in(attack)
        for attack in HARMFUL:
            scene.hand_in_honest(f"{attack.name}-honest")
        self.tree_before, self.sources_before = tree(scene.submissions), sources()
        self.canary = (scene.folder / "canary.txt").read_text()
        self.done = scene.command(ENOUGH)
        time.sleep(1)
        self.processes, self.orphans = scene.processes(), children()
        self.tree_after, self.sources_after = tree(scene.submissions), sources()
        self.marks, self.kernel_objects = scene.marks(), scene.kernel_objects()
        self.calls = list(scene.listener.calls)
        self.reports = scene.reports()
        self.by_notebook = {report["notebook"]: report for report in self.reports}

    def of(self, attack: Attack) -> list[dict]:
        """The reports on what the attack handed in."""
        files = {shown_name(name, clean(name)) for name in attack.files()}
        return [
            report
            for report in self.reports
            if report["notebook"] in files
            or report["learner"] == attack.name
            or report["notebook"].startswith(f"{attack.name}/")
        ]


def sources() -> dict[str, str]:
    """Digests of the grader and the library."""
    digests = {}
    for folder in ("autograder", "shared", "course", "solutions"):
        digests |= {
            f"{folder}/{name}": d for name, d in tree(ROOT / folder).items() if "__pycache__" not in name
        }
    return digests


def children() -> list[str]:
    """Processes that were orphaned during the test and came to us, for whom they would otherwise come to."""
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return [f"{pid}: {command(pid)}" for pid in file.read().split() if "defunct" not in command(pid)]


def command(pid: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
        return file.read().replace("\0", " ")[:200] or "defunct"
    return "defunct"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    adopt_orphans, yes, no = 36, 1, 0
    ctypes.CDLL(None).prctl(adopt_orphans, yes, 0, 0, 0)
    folder = tmp_path_factory.mktemp("attacks")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)  # it shall be the jail that keeps learners out of here, not the folder's own rights
    scene = Scene(folder)
    try:
        yield Graded(scene)
    finally:
        scene.clean()
        ctypes.CDLL(None).prctl(adopt_orphans, no, 0, 0, 0)


def earned(report: dict) -> dict[str, int]:
    return {exercise["exercise"]: exercise["earned"] for exercise in report["exercises"]}


# --- Cheating does not pay ----------------------------------------------------------------------------


def test_the_garbage_earns_nothing(graded):
    assert earned(graded.by_notebook["garbage.ipynb"]) == NOTHING


@by_name(IN_CLASS)
def test_it_earns_no_more_than_the_garbage(graded, attack):
    for report in graded.of(attack):
        for exercise in report["exercises"]:
            assert exercise["earned"] <= NOTHING.get(exercise["exercise"], 0), (
                f"“{attack.tries}” was paid {exercise['earned']} of {exercise['points']} points for "
                f"{exercise['exercise']}: {[i['item'] for i in exercise['items'] if i['earned']]}"
            )
    student = graded.scene.gradebook().get(attack.name, 0)
    assert not student, f"“{attack.tries}” has {student} points in the gradebook"


def test_the_seed_of_an_earlier_report_is_no_help(graded):
    found = earned(graded.by_notebook["by_heart.ipynb"])
    assert found == NOTHING, f"a table of answers to the inputs of last week's seed was paid {found}"


# --- Others are safe ----------------------------------------------------------------------------------


@by_name(HARMFUL)
def test_the_honest_learner_beside_it_gets_all_points(graded, attack):
    report = graded.by_notebook[f"{attack.name}-honest.ipynb"]
    assert earned(report) == FULL, f"“{attack.tries}” cost its neighbour points: {report['problem']}"
    assert graded.scene.gradebook()[f"{attack.name}-honest"] == sum(FULL.values())


def test_the_batch_goes_on_to_its_end(graded):
    assert graded.done.returncode == 0, f"an attack stopped the command:\n{graded.done.stderr[-3000:]}"
    handed_in = [path for path in graded.tree_after if path.endswith(".ipynb") and "/" not in path]
    wanted = collections.Counter(shown_name(name, clean(name)) for name in handed_in)
    found = collections.Counter(report["notebook"] for report in graded.reports)
    missing = {name: count - found[name] for name, count in wanted.items() if count > found[name]}
    assert not missing, f"these were handed in and have no report of their own: {missing}"


def test_reports_are_valid(graded):
    for report in graded.reports:
        jsonschema.validate(report, SCHEMA)
        assert report["earned"] == sum(i["earned"] for e in report["exercises"] for i in e["items"])


def test_submissions_are_as_they_were(graded):
    changed = {name for name in graded.tree_before if graded.tree_after.get(name) != graded.tree_before[name]}
    assert not changed and graded.tree_after.keys() == graded.tree_before.keys(), (
        f"changed or gone: {changed}"
    )


def test_the_grader_is_as_it_was(graded):
    before, after = graded.sources_before, graded.sources_after
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not changed, f"an attack changed, made or removed {changed}"


def test_earlier_reports_and_scores_are_as_they_were(graded):
    assert (graded.scene.out / "day09" / "zoe.json").read_bytes() == graded.zoe
    assert graded.scene.gradebook()["zoe"] == sum(FULL.values())


def test_nobody_takes_anothers_report_by_their_name(graded):
    name_of_two = graded.by_notebook["anna maria.ipynb"]
    assert earned(name_of_two) == FULL, "a learner with a similar name took this one's report"


def test_no_file_is_left_anywhere(graded):
    assert not graded.marks, f"attacks left or touched files: {graded.marks}"
    assert (graded.scene.folder / "canary.txt").read_text() == graded.canary


def test_no_process_survives(graded):
    assert not graded.processes, f"alive a second after the command: {graded.processes}"
    assert not graded.orphans, f"orphans of the command: {graded.orphans}"


def test_nothing_is_left_in_the_kernel(graded):
    assert not graded.kernel_objects, (
        f"keys, memory or sockets outlived their process: {graded.kernel_objects}"
    )


def test_nothing_reached_the_network(graded):
    assert not graded.calls, f"the listener was called by {graded.calls}"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_told(graded, secret):
    told = [path.name for path in graded.scene.out.rglob("*.*") if secret.encode() in path.read_bytes()]
    assert not told, f"{secret!r} can be read in {told}"
    assert secret not in graded.done.stdout + graded.done.stderr


@by_name(APART)
def test_it_does_not_stop_the_command(tmp_path, attack):
    scene = Scene(tmp_path / "scene")
    scene.hand_in_honest("a")
    scene.hand_in(attack)
    scene.hand_in_honest("z")
    done = scene.command(60)
    scene.clean()
    assert done.returncode == 0, f"“{attack.tries}” stopped the command:\n{done.stderr[-2000:]}"
    found = {report["learner"]: report["earned"] for report in scene.reports()}
    assert (found.pop("a"), found.pop("z")) == (26, 26), f"“{attack.tries}” cost the others their points"
    assert found and not any(found.values()), f"“{attack.tries}” has {found}"


@pytest.mark.skipif(not landlock_version(), reason="this kernel has no such level")
def test_the_walls_hold_without_namespaces(tmp_path):
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    scene = Scene(tmp_path / "scene")
    (tmp_path / "scene").chmod(0o755)
    found = grade_alone(scene, *[a for a in IN_CLASS if a.theme == "escaping"], level="landlock")
    calls, marks, processes = scene.listener.calls, scene.marks(), scene.processes()
    scene.clean()
    assert {each["report"]["isolation"]["level"] for each in found.values()} == {"landlock"}
    assert not calls, f"the listener was called by {set(calls)}"
    assert not marks and not processes, f"attacks left {marks}, {processes}"
    assert all(each["honest"] and not each["report"]["earned"] for each in found.values())


# --- What readers see ---------------------------------------------------------------------------------

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "span", "strong", "em", "code",
    "pre", "br", "a", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "footer",
    "details", "summary", "figure", "figcaption",
    "svg", "g", "rect", "line", "text", "path", "circle", "polyline", "desc",
}  # fmt: skip
FORBIDDEN = re.compile(r"^on|^style$|^srcdoc$|^srcset$|^formaction$|^action$|^xlink:href$")


class Page(html.parser.HTMLParser):
    """Collects what does not belong in a report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.wrong.append(f"<{tag}>")
        for name, value in attributes:
            value = (value or "").strip().lower()
            if FORBIDDEN.search(name) or (
                name in ("src", "href") and re.match(r"[a-z][a-z0-9+.-]*:|//", value)
            ):
                self.wrong.append(f"<{tag} {name}={value!r}>")
            if "alert(" in value and name not in ("href", "id", "title", "aria-label"):
                self.wrong.append(f"<{tag} {name}={value!r}>")

    handle_startendtag = handle_starttag


def test_pages_hold_no_markup_of_a_learner(graded):
    pages = list(graded.scene.out.rglob("*.html"))
    assert len(pages) > len(IN_CLASS)
    for path in pages:
        text = path.read_text()
        wrong = Page(text).wrong
        assert not wrong, f"{path.name} holds {wrong[:5]}"
        assert path.stem == "index" or len(text) < 200_000, f"{path.name} has {len(text)} characters"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), (
            f"{path.name}: control characters"
        )


def test_the_terminal_shows_no_codes_of_a_learner(graded):
    printed = graded.done.stdout + graded.done.stderr
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", printed.replace("\r", "\n"))


# --- What an attack costs -----------------------------------------------------------------------------


@by_name(COSTLY)
def test_it_costs_the_grader_little(tmp_path, attack):
    scene = Scene(tmp_path)
    alone = grade_alone(scene, attack)
    scene.clean()
    for name, found in alone.items():
        assert "report" in found, f"“{attack.tries}” ended the grader: {found['ended']}"
        assert earned(found["report"]).items() <= NOTHING.items(), f"“{attack.tries}” was paid in {name}"
        assert found["honest"], f"after “{attack.tries}” an honest submission lost points"
        assert found["seconds"] < MOST_SECONDS, (
            f"“{attack.tries}” took {found['seconds']:.0f} s of the grader's"
        )
        assert found["megabytes"] < MOST_MEGABYTES, (
            f"“{attack.tries}” took {found['megabytes']} MB of the grader's"
        )


# --- The attacks are real -----------------------------------------------------------------------------


def test_there_are_enough():
    assert len(ATTACKS) >= 70


def test_the_worker_is_really_taken_over(tmp_path):
    scene = Scene(tmp_path)
    error = {"type": "Hijacked", "message": "", "line": None, "text": ""}
    forged = f"def forged(op, request, ask):\n    return inside.encode({{'error': {error}}})"
    taken = Attack("taken", "channel", "", lambda: hijacked(forged))
    (found,) = grade_alone(scene, taken).values()
    reasons = {item["reason"] for exercise in found["report"]["exercises"] for item in exercise["items"]}
    scene.clean()
    assert all("Hijacked" in reason for reason in reasons), (
        f"the attacks on the channel attack nothing: {reasons}"
    )


# Attacks that are paid by our own rubrics where the learner's code shares their process.
FOOL_THE_NAIVE = (
    "a_peer_that_agrees", "rubric_rewritten", "tracing", "code_objects_swapped", "torch_function_mode",
    "library_imported", "library_reloaded", "library_classes_used", "rubric_imported",
)  # fmt: skip


@pytest.fixture(scope="module")
def naive(tmp_path_factory):
    """What a naive grader pays for them."""
    folder = tmp_path_factory.mktemp("naive")
    notebooks = {name: ATTACKS[name].make() for name in FOOL_THE_NAIVE}
    notebooks |= {"honest": notebook(model_answers()), "garbage": garbage()}
    for name, made in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(made).replace("@ROOT@", str(ROOT)))
    earned = grade_naively(sorted(folder.iterdir()))
    return {name.removesuffix(".ipynb"): points for name, points in earned.items()}


def test_the_naive_grader_grades(naive):
    assert (naive["honest"], naive["garbage"]) == (sum(FULL.values()), 0)


@pytest.mark.parametrize("name", FOOL_THE_NAIVE)
def test_it_works_where_nothing_holds_it(naive, name):
    assert naive[name] > 0, f"“{ATTACKS[name].tries}” fools nobody: it is no attack"
