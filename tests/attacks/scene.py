"""Where the attacks take place: folders to spoil, a listener to reach, a class of honest learners beside them.

python scene.py THEME-OR-NAME ...     grades these attacks one by one and prints what each earned and why
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import selectors
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from registry import Attack, Link, garbage, load, notebook

from autograder.build.samples import model_answers

ROOT = Path(__file__).parents[2]
OLD = 12345  # the time that attacks give to files that they may only touch

# Something that every report could quote and none may: a model answer, a hidden check, the instructor's own.
SECRETS = (
    "masked_fill(~mask",
    "device=device).tril()",
    "return attention_weights(q, k, mask) @ v",
    "canary-",
    "rand.normal(",
)


class Scene:
    """A folder of the test, in which a class is graded while the attacks go on."""

    def __init__(self, folder: Path) -> None:
        self.token = f"tok{secrets.token_hex(5)}"
        self.folder, self.submissions, self.out = (folder / name for name in ("elsewhere", "class", "out"))
        for each in (self.folder, self.submissions):
            each.mkdir(parents=True)
        self.canary = f"canary-{secrets.token_hex(8)}"
        (self.folder / "canary.txt").write_text(self.canary + "\n")
        self.listener = Listener(folder / "socket", self.token)
        self.words = {
            "FOLDER": self.folder, "CLASS": self.submissions, "OUT": self.out, "ROOT": ROOT,
            "PORT": self.listener.port, "SOCKET": self.listener.path, "TOKEN": self.token,
        }  # fmt: skip

    def fill(self, text: str) -> str:
        """The text with the words in @…@ replaced."""
        for word, value in self.words.items():
            text = text.replace(f"@{word}@", str(value))
        return text

    def content(self, raw: bytes) -> bytes:
        for word, value in self.words.items():
            raw = raw.replace(b"@%s@" % word.encode(), str(value).encode())
        return raw

    def hand_in(self, attack: Attack) -> None:
        """Put the attack's files into the class's folder."""
        for name, content in attack.files().items():
            path = self.submissions / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(self.content(content))
            elif content.target:
                path.symlink_to(self.fill(content.target.replace("@NAME@", attack.name)))
            elif content.size:
                with open(path, "wb") as file:
                    file.truncate(content.size)
            else:
                os.mkfifo(path)

    def hand_in_honest(self, learner: str) -> None:
        (self.submissions / f"{learner}.ipynb").write_text(json.dumps(notebook(model_answers())))

    def command(self, timeout: float) -> subprocess.CompletedProcess:
        """`autograder grade` on the class's folder, with a canary in its environment."""
        command = [sys.executable, "-m", "autograder", "grade", self.submissions, "--out", self.out]
        environment = os.environ | {"HANDMADE_CANARY": self.canary, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(
            [*command, "--limit", "2", "--jobs", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder.parent, env=environment,
            start_new_session=True,
        ) as running:  # fmt: skip
            try:
                printed, errors = running.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
                printed, errors = running.communicate()
                errors += b"\nThe command did not end in %d seconds." % timeout
        return subprocess.CompletedProcess(
            command, running.returncode, printed.decode(errors="replace"), errors.decode(errors="replace")
        )

    def reports(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self.out.glob("*/*.json"))]

    def gradebook(self) -> dict[str, float]:
        """The sum of each student's automatic scores."""
        with contextlib.closing(sqlite3.connect(self.out / "gradebook.db")) as book:
            rows = book.execute(
                "select assignment.student_id, sum(grade.auto_score) from submitted_assignment assignment"
                " join submitted_notebook notebook on notebook.assignment_id = assignment.id"
                " join grade on grade.notebook_id = notebook.id group by assignment.student_id"
            )
            return dict(rows.fetchall())

    # --- What an attack may have left ---

    def marks(self) -> list[str]:
        """Files with our token in their names, wherever an attack might put one, and files that were made old."""
        places = [
            self.folder,
            self.out,
            self.submissions,
            ROOT,
            ROOT / "autograder",
            ROOT / "shared" / "handmade",
        ]
        places += [
            Path(p)
            for p in ("/", "/usr", "/etc", "/tmp", "/var/tmp", "/dev/shm", "/run", sys.prefix, Path.home())
        ]
        places += [Path(p) for p in sys.path if os.path.isdir(p)] + [Path.home() / ".config" / "matplotlib"]
        found = {
            path for place in places if place.is_dir() for path in place.iterdir() if self.token in path.name
        }
        sources = [*(ROOT / "autograder").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]
        return sorted(map(str, found)) + [str(path) for path in sources if int(path.stat().st_mtime) == OLD]

    def kernel_objects(self) -> list[str]:
        """Keys, System V segments and abstract sockets of ours that outlived their process."""
        found = []
        for path, needle in (("/proc/keys", self.token), ("/proc/net/unix", f"{self.token}-mine")):
            if os.path.exists(path):
                found += [
                    line for line in Path(path).read_text(errors="replace").splitlines() if needle in line
                ]
        segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return found + [line for line in segments if int(line.split()[0]) & 0xFFFFFF00 == 0x5EED0000]

    def processes(self) -> list[str]:
        """Processes that carry our token, in their arguments or in their names."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                said = (path / "cmdline").read_bytes().replace(b"\0", b" ") + (path / "comm").read_bytes()
                if self.token[:15].encode() in said and int(path.name) != os.getpid():
                    found.append(f"{path.name}: {said.decode(errors='replace')[:200]}")
        return found

    def clean(self) -> None:
        """Take away what was found, so that an attack that succeeded does no lasting harm."""
        self.listener.close()
        for mark in self.marks():
            path = Path(mark)
            if path.stat().st_mtime == OLD:
                os.utime(path)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class Listener:
    """Listens on loopback (TCP and UDP) and on Unix sockets, by path and abstract, and writes down who calls."""

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.calls = str(path), []
        tcp = socket.create_server(("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        self.sockets = [tcp, self._bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.port))]
        for name in (self.path, f"\0{token}"):
            self.sockets.append(self._bound(socket.AF_UNIX, socket.SOCK_STREAM, name))
            self.sockets.append(self._bound(socket.AF_UNIX, socket.SOCK_DGRAM, f"{name}-datagrams"))
        os.chmod(self.path, 0o777), os.chmod(f"{self.path}-datagrams", 0o777)
        threading.Thread(target=self._listen, daemon=True).start()

    def _bound(self, family: int, kind: int, name: object) -> socket.socket:
        one = socket.socket(family, kind)
        one.bind(name)
        if kind == socket.SOCK_STREAM:
            one.listen()
        return one

    def _listen(self) -> None:
        with selectors.DefaultSelector() as ready:
            for one in self.sockets:
                ready.register(one, selectors.EVENT_READ)
            with contextlib.suppress(OSError, ValueError):
                while True:
                    for key, _ in ready.select():
                        one = key.fileobj
                        if one.type == socket.SOCK_STREAM:
                            caller, _ = one.accept()
                            with caller:
                                caller.settimeout(1)
                                self.calls.append(self._first_words(caller))
                        else:
                            self.calls.append(one.recv(1000).decode(errors="replace"))

    def _first_words(self, caller: socket.socket) -> str:
        try:
            return caller.recv(1000).decode(errors="replace")
        except OSError:
            return "a connection"

    def close(self) -> None:
        for one in self.sockets:
            one.close()


def tree(folder: Path) -> dict[str, str]:
    """A digest of every file in a folder; of a link where it leads, of anything else what it is."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = oct(path.stat().st_mode)
    return found


# --- One by one ---------------------------------------------------------------------------------------


def grade_alone(scene: Scene, *attacks: Attack, level: str = "") -> dict[str, dict]:
    """Grade the notebooks of attacks outside of any class: for each file its report, and what it cost the grader.

    The cost is processor time and memory of the process that grades, not of the workers, which have limits. It is
    a process that we can end; it prints a line of JSON for each. `level` is that of the jail, "" for the best.
    """
    files = {
        name: scene.content(content)
        for attack in attacks
        for name, content in attack.files().items()
        if not isinstance(content, Link)
    }
    given = scene.folder.parent / f"alone-{attacks[0].name}"
    given.mkdir()
    for number, content in enumerate(files.values()):
        (given / str(number)).write_bytes(content)
    command = [sys.executable, __file__, "--alone", level, str(given), *files]
    patience = PATIENCE * len(attacks)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as running:
        try:
            printed, errors = running.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            printed, errors = running.communicate()
            return {"": {"ended": f"not within {patience} seconds", "earned": []}}
    found = {name: json.loads(line) for name, line in zip(files, printed.splitlines(), strict=False)}
    return found or {
        "": {"ended": errors.strip().splitlines()[-1] if errors.strip() else "at once", "earned": []}
    }


# Until a submission is given up; its own limits add up to less than half of that.
PATIENCE = 100  # seconds
MEMORY = 12 << 30  # bytes of address space, so that a grader that is made to swell fails alone


def _alone(level: str, given: str, *names: str) -> None:
    """What `grade_alone` starts."""
    import resource

    from autograder.grade import Run, grade_notebook
    from autograder.jail import handling

    if level:
        handling.LEVELS = (level,)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    run = Run(seed=7, limit=2.0)
    before = grade_notebook(json.dumps(notebook(model_answers())).encode(), "day09.ipynb", "honest", run)
    # What is made once for a class is nobody's cost.
    grade_notebook(json.dumps(garbage()).encode(), "day09.ipynb", "garbage", run)
    for number, name in enumerate(names):
        base, began = _peak(reset=True), time.process_time()
        report = grade_notebook((Path(given) / str(number)).read_bytes(), name, "attacker", run)
        cost = {"seconds": time.process_time() - began, "megabytes": _peak() - base}
        after = grade_notebook(json.dumps(notebook(model_answers())).encode(), "day09.ipynb", "honest", run)
        honest = before["earned"] == after["earned"] == before["points"] > 0
        print(json.dumps({"report": report, "honest": honest} | cost), flush=True)


def _peak(reset: bool = False) -> int:
    """The most memory that this process has had in use, in megabytes; since now, if `reset`."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10


def main(*wanted: str) -> None:
    """Grade attacks by theme or name, and say what happened."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        scene = Scene(Path(folder))
        for attack in load().values():
            if wanted and not {attack.theme, attack.name} & set(wanted):
                continue
            print(f"{attack.theme} · {attack.name}: {attack.tries}", flush=True)
            for name, found in grade_alone(scene, attack).items():
                if "report" not in found:
                    print(f"  {name!r}: {found['ended']}")
                    continue
                report = found["report"]
                earned = [exercise["earned"] for exercise in report["exercises"]]
                print(
                    f"  {name!r}: {earned} in {found['seconds']:.1f} s, {found['megabytes']} MB. {report['problem']!a}"
                )
                for exercise in report["exercises"]:
                    for reason in dict.fromkeys(item["reason"] for item in exercise["items"]):
                        print(f"      {reason[:200]!a}")
        print("left behind:", scene.marks(), scene.processes(), scene.kernel_objects(), scene.listener.calls)
        scene.clean()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        _alone(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
