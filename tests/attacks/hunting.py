"""Attacks that look for the answers, or for what the inputs will be, instead of working them out.

What one finds is put into STOLEN by name (`take`, `take_text`), and the three functions use it, with the garbage to
fall back on. What a hunt for secrets finds (a seed, the canary) is raised, so that it would stand in the report.
"""

from registry import attack, garbage

FENCE = '''
import contextlib, re, types
STOLEN = {}
NAMES = ("causal_mask", "attention_weights", "attend")

def take(found, name=None):
    """Keep a function that is an answer."""
    name = name or getattr(found, "__name__", "")
    code = getattr(found, "__code__", None)
    if name in NAMES and callable(found) and not (code and code.co_filename.startswith("<")):
        STOLEN.setdefault(name, found)

def take_text(text):
    """Keep the answers whose source stands in a text."""
    for name in NAMES:
        for match in re.finditer(rf"^ *def {name}\\(.*\\n(?:(?: .*)?\\n)+", text, re.MULTILINE):
            source = match.group().replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
            if "zeros" in source or "NotImplementedError" in source or "STOLEN" in source:
                continue
            space = {"torch": torch, "math": __import__("math"), "F": F, "nn": nn, "Tensor": Tensor}
            with contextlib.suppress(Exception):
                exec(__import__("textwrap").dedent(source), space)
                space.setdefault("attention_weights", lambda *a: STOLEN["attention_weights"](*a))
                STOLEN.setdefault(name, space[name])
'''

USES = {
    "mask": """
def causal_mask(T, device=None):
    try:
        return STOLEN["causal_mask"](T, device)
    except Exception:
        return torch.zeros(T, T, dtype=torch.bool, device=device)
""",
    "weights": """
def attention_weights(q, k, mask=None):
    try:
        return STOLEN["attention_weights"](q, k, mask)
    except Exception:
        return torch.zeros(*q.shape[:-1], k.shape[-2])
""",
    "attend": """
def attend(q, k, v, mask=None):
    try:
        return STOLEN["attend"](q, k, v, mask)
    except Exception:
        return torch.zeros(*q.shape[:-1], v.shape[-1])
""",
}


def thief(hunt: str) -> dict:
    """A notebook that hunts in its first cell and answers with what it found."""
    return garbage(first=FENCE + hunt, **USES)


def teller(hunt: str) -> dict:
    """A notebook that raises what `hunt` left in FOUND, a text, where a report would show it."""
    tell = "def {0}(*a, **k):\n    raise RuntimeError(FOUND[-500:])"
    names = {"mask": "causal_mask", "weights": "attention_weights", "attend": "attend"}
    return garbage(first="FOUND = ''\n" + hunt, **{each: tell.format(name) for each, name in names.items()})


@attack
def library_imported():
    """The answers are imported from the library, by every name that leads there."""
    return thief("""
import importlib, sys
for module in ("handmade.attention", "handmade.model", "handmade.plots", "handmade.widgets",
               "handmade.tiny", "handmade"):
    with contextlib.suppress(Exception):
        for found in vars(importlib.import_module(module)).values():
            take(found)
for module in list(sys.modules.values()):
    for found in list(vars(module).values()) if module else ():
        take(found)
""")


@attack
def library_reloaded():
    """The library is taken out of sys.modules and imported afresh from wherever its files are."""
    return thief("""
import importlib, sys
for name in [name for name in sys.modules if name.startswith("handmade")]:
    with contextlib.suppress(Exception):
        origin = sys.modules[name].__file__
    del sys.modules[name]
sys.path[:0] = ["@ROOT@/shared", "@ROOT@", "@ROOT@/solutions"]
importlib.invalidate_caches()
for module in ("handmade.attention", "handmade.model"):
    with contextlib.suppress(Exception):
        for found in vars(importlib.import_module(module)).values():
            take(found)
""")


@attack
def library_source_read():
    """The library's source and compiled files are read from the disk, with everything else that is Python there."""
    return thief("""
import glob, marshal, os, sys
roots = ["@ROOT@", "@ROOT@/shared/handmade", os.path.dirname(__import__("handmade").__file__), *sys.path]
for root in roots:
    for pattern in ("*.py", "*/*.py", "handmade/*.py", "*.md", "*/*.md"):
        for path in glob.glob(os.path.join(root, pattern))[:400]:
            with contextlib.suppress(Exception):
                take_text(open(path).read())
    for path in glob.glob(os.path.join(root, "**/__pycache__/attention*.pyc"), recursive=True)[:50]:
        with contextlib.suppress(Exception):
            code = marshal.loads(open(path, "rb").read()[16:])
            for const in code.co_consts:
                if isinstance(const, types.CodeType) and const.co_name in NAMES:
                    space = {"torch": torch, "math": __import__("math"), "F": F}
                    take(types.FunctionType(const, space, None, (None,)), const.co_name)
""")


@attack
def library_classes_used():
    """The library's attention layers, models and pictures are asked for what their attention does."""
    return thief("""
import importlib, inspect
for name in ("handmade.attention", "handmade.model", "handmade.tiny", "handmade.generate", "handmade.training"):
    with contextlib.suppress(Exception):
        module = importlib.import_module(name)
        for found in vars(module).values():
            if inspect.isclass(found) and hasattr(found, "attend"):
                one = types.SimpleNamespace(attn_dropout=lambda x: x, training=False)
                # Causal attention over the identity matrix gives causal weights; their pattern is the mask.
                layer = found.attend
                def causal(q, k, mask=None, layer=layer, one=one):
                    return layer(one, q[None, None], k[None, None], torch.eye(k.shape[-2])[None, None])[0, 0]
                STOLEN["causal_mask"] = lambda T, device=None: causal(torch.ones(T, 2), torch.ones(T, 2)) > 0
                STOLEN["attention_weights"] = causal
                STOLEN["attend"] = lambda q, k, v, mask=None: layer(one, q, k, v)
""")


@attack
def later_answer_undone():
    """Attention over the identity matrix: the weights, got back out of an `attend` that stands in."""
    return thief("""
def lookup(name):
    import sys
    frame = sys._getframe()
    while frame:
        for space in (frame.f_globals, frame.f_locals):
            found = space.get(name)
            if callable(found) and not getattr(found, "__code__", lookup.__code__).co_filename.startswith("<code"):
                return found
        frame = frame.f_back
    raise LookupError
def weights(q, k, mask=None):
    return lookup("attend")(q, k, torch.eye(k.shape[-2]).expand(*k.shape[:-2], -1, -1), mask)
def mask(T, device=None):
    return lookup("attend")(torch.ones(T, 1), torch.ones(T, 1), torch.eye(T)) > 0
STOLEN["attention_weights"], STOLEN["causal_mask"] = weights, mask
""")


@attack
def collected_objects():
    """The garbage collector is asked for functions, code objects and modules that know the answers."""
    return thief("""
import gc
for found in gc.get_objects():
    with contextlib.suppress(Exception):
        if isinstance(found, types.FunctionType):
            take(found)
        elif isinstance(found, dict):
            for name in NAMES:
                if name in found:
                    take(found[name], name)
        elif isinstance(found, tuple):
            for const in found:
                if isinstance(const, types.CodeType) and const.co_name in NAMES:
                    take(types.FunctionType(const, {"torch": torch, "math": __import__("math")}, None, (None,)))
        elif isinstance(found, str) and "def attend(" in found:
            take_text(found)
""")


@attack
def frames_of_the_caller():
    """Every frame below, of every thread, is searched for the reference, the rubric and what is expected."""
    return thief("""
import sys
def search(frame):
    while frame:
        for space in (frame.f_locals, frame.f_globals):
            for name, found in list(space.items()):
                with contextlib.suppress(Exception):
                    take(found)
                    for inner in (vars(found) if hasattr(found, "__dict__") else {}).values():
                        take(inner)
                if name in ("wanted", "peer", "reference", "expected") and isinstance(found, Tensor):
                    STOLEN["attend"] = STOLEN["attention_weights"] = lambda *a, found=found: found
        frame = frame.f_back
search(sys._getframe())
for frame in sys._current_frames().values():
    search(frame)
def hunting(*a, **k):
    search(sys._getframe())
    raise LookupError
for name in NAMES:
    STOLEN.setdefault(name, hunting)
""")


@attack
def own_memory():
    """The memory inherited from the parent is searched for the library's source, also where it was freed."""
    return thief("""
memory = open("/proc/self/mem", "rb", 0)
for line in open("/proc/self/maps"):
    fields = line.split()
    low, high = (int(each, 16) for each in fields[0].split("-"))
    if "r" not in fields[1] or high - low > 1 << 28 or (len(fields) > 5 and ".so" in fields[5]):
        continue
    with contextlib.suppress(OSError, ValueError):
        memory.seek(low)
        raw = memory.read(high - low)
        at = raw.find(b"masked_fill(~mask")
        while at >= 0:
            take_text(raw[max(at - 3000, 0) : at + 3000].decode("latin-1"))
            at = raw.find(b"masked_fill(~mask", at + 1)
        at = raw.find(b"bool, device=device).tril()")
        if at >= 0:
            take_text(raw[max(at - 600, 0) : at + 200].decode("latin-1"))
""")


@attack
def memory_of_others():
    """/proc/PID/mem and process_vm_readv read the answers out of the parent and every other process."""
    return thief("""
import ctypes, os
for pid in [p for p in os.listdir("/proc") if p.isdigit()][:200]:
    with contextlib.suppress(OSError):
        if b"autograder" not in open(f"/proc/{pid}/cmdline", "rb").read() or int(pid) == os.getpid():
            continue
        memory = open(f"/proc/{pid}/mem", "rb", 0)
        for line in open(f"/proc/{pid}/maps"):
            low, high = (int(each, 16) for each in line.split()[0].split("-"))
            if "rw" in line and high - low < 1 << 26:
                with contextlib.suppress(OSError, ValueError):
                    memory.seek(low)
                    raw = memory.read(high - low)
                    for needle in (b"masked_fill(~mask", b"bool, device=device).tril()"):
                        at = raw.find(needle)
                        if at >= 0:
                            take_text(raw[max(at - 3000, 0) : at + 3000].decode("latin-1"))
libc = ctypes.CDLL(None)
libc.ptrace(16, os.getppid(), 0, 0)
""")


@attack
def neighbours_read():
    """The answers are copied from the other submissions, which lie in a folder whose name is easy to guess."""
    return thief("""
import glob, json, os
for pattern in ("@CLASS@/*", "@CLASS@/*/*/*", "/proc/*/cwd/*.ipynb", "/proc/*/fd/*", "/proc/*/root@CLASS@/*",
                "../*.ipynb", "../../*.ipynb", "/tmp/*/*.ipynb", "@ROOT@/autograder/samples/*"):
    for path in glob.glob(pattern)[:300]:
        with contextlib.suppress(Exception):
            for cell in json.load(open(path))["cells"]:
                text = cell["source"]
                take_text(text if isinstance(text, str) else "".join(text))
""")


@attack
def rubric_imported():
    """The rubrics and the known answers are imported: right variants are answers too."""
    return thief("""
import sys
sys.path[:0] = ["@ROOT@", "@ROOT@/autograder"]
for name in ("autograder.misconception", "misconception"):
    with contextlib.suppress(Exception):
        known = __import__(name, fromlist=["x"]).load_known_answers()
        for exercise, answers in known.items():
            for one in answers:
                if one.right:
                    take_text(one.source())
with contextlib.suppress(Exception):
    from autograder.rubric import load_exercises
    for exercise in load_exercises().values():
        take(exercise.reference())
with contextlib.suppress(Exception):
    from autograder.build.samples import model_answers
    for text in model_answers().values():
        take_text(text)
""")


@attack
def line_cache():
    """linecache, inspect and tracebacks keep source: that of the library, and of whatever was graded before."""
    return thief("""
import gc, inspect, linecache, sys
for name, entry in list(linecache.cache.items()):
    with contextlib.suppress(Exception):
        take_text("".join(entry[2]))
for module in list(sys.modules.values()):
    with contextlib.suppress(Exception):
        if (module.__name__ or "").startswith(("handmade", "autograder")):
            take_text(inspect.getsource(module))
linecache.checkcache()
""")


@attack
def repository_history():
    """git is asked for the solutions, and its objects are unpacked by hand."""
    return thief("""
import glob, os, subprocess, zlib
with contextlib.suppress(Exception):
    take_text(subprocess.run(["git", "-C", "@ROOT@", "show", "HEAD:shared/handmade/attention.py"],
                             capture_output=True, text=True, timeout=1).stdout)
for path in glob.glob("@ROOT@/.git/objects/??/*")[:500]:
    with contextlib.suppress(Exception):
        take_text(zlib.decompress(open(path, "rb").read()).decode())
""")


@attack
def open_descriptors():
    """Every inherited descriptor is read, listed and climbed out of: a file, a folder, the socket of someone else."""
    return thief("""
import os, socket
for fd in range(3, 256):
    with contextlib.suppress(OSError):
        for path in ("shared/handmade/attention.py", "../shared/handmade/attention.py", "attention.py"):
            with contextlib.suppress(OSError):
                take_text(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 10**6).decode())
        for up in range(12):
            with contextlib.suppress(OSError):
                found = os.open("../" * up + "@ROOT@/shared/handmade/attention.py".lstrip("/"), os.O_RDONLY, dir_fd=fd)
                take_text(os.read(found, 10**6).decode())
        import stat
        if stat.S_ISREG(os.fstat(fd).st_mode):
            take_text(os.pread(fd, 10**7, 0).decode("latin-1"))
""")


@attack
def other_installations():
    """Packages, wheels, editable finders and conda or pip caches that may hold an untouched copy of the library."""
    return thief("""
import glob, importlib.metadata, os, site, sys, zipfile
places = [*sys.path, *site.getsitepackages(), os.path.expanduser("~"), sys.prefix, "@ROOT@/build", "@ROOT@/build/lib"]
for place in places:
    for path in glob.glob(os.path.join(place, "__editable__*"))[:20]:
        with contextlib.suppress(Exception):
            for root in re.findall(r"'(/[^']+)'", open(path).read()):
                take_text(open(os.path.join(root, "attention.py")).read())
                take_text(open(os.path.join(root, "handmade", "attention.py")).read())
    for path in glob.glob(os.path.join(place, "handmade*"))[:20]:
        with contextlib.suppress(Exception):
            take_text(open(os.path.join(path, "attention.py")).read())
        with contextlib.suppress(Exception):
            take_text(zipfile.ZipFile(path).read("handmade/attention.py").decode())
with contextlib.suppress(Exception):
    for file in importlib.metadata.files("handmade-lm"):
        take_text(file.read_text())
""")


@attack
def the_worker_itself():
    """The worker's own objects, requests and modules are searched for answers that are kept for the next exercise."""
    return thief("""
import gc, sys
for found in gc.get_objects():
    with contextlib.suppress(Exception):
        if type(found).__name__ in ("Worker", "Learner", "Exercise", "KnownAnswer", "Library", "Release"):
            for inner in vars(found).values():
                take(inner)
                if isinstance(inner, str):
                    take_text(inner)
                if isinstance(inner, dict):
                    for name, value in inner.items():
                        take(value)
                        if isinstance(value, str):
                            take_text(value)
        if isinstance(found, types.CodeType) or isinstance(found, bytes):
            pass
for module in [m for name, m in sys.modules.items() if name.startswith("autograder")]:
    for value in list(vars(module).values()):
        with contextlib.suppress(Exception):
            take_text(value if isinstance(value, str) else value.decode())
""")


@attack
def answers_from_an_earlier_worker():
    """What one exercise's worker knows is left for the next: in files, in /dev/shm, in the environment, in modules."""
    return thief("""
import glob, inspect, os, sys
places = ["/tmp", "/var/tmp", "/dev/shm", "/run", os.getcwd(), os.path.expanduser("~"), "@FOLDER@", sys.prefix]
for place in places:
    for path in glob.glob(place + "/@TOKEN@-left-*"):
        with contextlib.suppress(Exception):
            take_text(open(path).read())
with contextlib.suppress(Exception):
    import handmade.attention
    text = inspect.getsource(handmade.attention)
    for number, place in enumerate(places):
        with contextlib.suppress(OSError):
            open(f"{place}/@TOKEN@-left-{os.getpid()}", "w").write(text)
os.environ["@TOKEN@"] = "left"
torch.left = STOLEN
""")


@attack
def the_seed():
    """Seeds are looked for in command lines, environments, earlier reports and the state of the generators."""
    return teller("""
import glob, os, re
for path in glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/environ") + glob.glob("@OUT@/*/*.json"):
    try:
        text = open(path, "rb").read().replace(b"\\0", b" ").decode("latin-1")
    except OSError:
        continue
    FOUND += " ".join(re.findall(r"canary-\\w+|--seed \\d+|.seed.: \\d+", text))
""")


@attack
def the_environment():
    """Secrets of whoever started the grader: the environment, the parent's environment, the home folder."""
    return teller("""
import glob, os
FOUND += " ".join(v for v in os.environ.values() if "canary" in v)
for path in ["/proc/self/environ", f"/proc/{os.getppid()}/environ", *glob.glob("/proc/*/environ")]:
    try:
        text = open(path, "rb").read().decode("latin-1")
    except OSError:
        continue
    FOUND += text[text.find("canary-"):][:40] if "canary-" in text else ""
""")


@attack
def files_of_the_instructor():
    """A file of the instructor's is read and told in the message of an error."""
    return teller("""
import glob, os
for path in ("@FOLDER@/canary.txt", "/proc/1/root@FOLDER@/canary.txt", "/proc/self/root@FOLDER@/canary.txt",
             *glob.glob("/proc/*/root@FOLDER@/canary.txt"), *glob.glob("/proc/*/cwd/canary.txt")):
    for up in ("", "/..", "/../.."):
        try:
            FOUND += open(up + path).read()
        except OSError:
            pass
""")


@attack
def told_by_the_traceback():
    """The line that an error's report quotes is made to be one of somebody else's file."""
    return garbage(
        first="""
import linecache
TELL = "def tell(*a, **k):\\n    raise RuntimeError('see the line')\\n"
exec(compile(TELL, "<@FOLDER@/canary.txt>", "exec"))
for name in ("<@FOLDER@/canary.txt>", "<setup>", "<string>"):
    try:
        linecache.cache[name] = (1, None, open("@FOLDER@/canary.txt").readlines() * 3, name)
    except OSError:
        pass
linecache.getline = linecache.getlines = lambda name, number=1, *a: open("@FOLDER@/canary.txt").read()
""",
        everywhere="tell()",
    )
