"""Messes of what the notebook's other cells do, and of what the answers do besides answering."""

from messes import above, answer_cells, below, both, mess

from autograder.build.samples import ATTEND, MASK, WEIGHTS, code, notebook, position

# --- Noise --------------------------------------------------------------------------------------------


@mess
def prints(answers):
    """Every answer prints its arguments, to stdout and to stderr."""
    noise = "    import sys\n    print(locals(), flush=True); print(locals(), file=sys.stderr)\n"
    return notebook({exercise: into(answer, noise) for exercise, answer in answers.items()})


@mess
def warns(answers):
    """Every answer warns, logs, and shows a progress bar."""
    noise = (
        "    import logging, warnings\n    from tqdm.auto import tqdm\n"
        "    warnings.warn('careful')\n    logging.warning('careful'); logging.error('very')\n"
        "    for _ in tqdm(range(3)): pass\n"
    )
    return notebook({exercise: into(answer, noise) for exercise, answer in answers.items()})


@mess
def seeds(answers):
    """Every answer seeds all generators."""
    noise = "    import random\n    torch.manual_seed(0); random.seed(0)\n"
    return notebook({exercise: into(answer, noise) for exercise, answer in answers.items()})


@mess
def measures(answers):
    """Every answer is timed, counted and kept: %%time, a global counter, a list of results."""
    noise = "    global calls\n    calls += 1\n    began = time.perf_counter()\n    seen.append(began)\n"
    made = notebook({exercise: "%%time\n" + into(answer, noise) for exercise, answer in answers.items()})
    made["cells"].insert(3, code("%time import time\ncalls = 0\n%time seen = []", "counters"))
    return made


@mess
def plots(answers):
    """Plots in other cells, windows left open, and a style that does not exist."""
    return both(
        answers,
        """
import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display
figure, axes = plt.subplots(1, 2)
axes[0].imshow(causal_mask(20) if "mine" in globals() else [[0, 1]])
plt.show()
mine = True
display(HTML("<script>alert('hello')</script>"), Markdown("# bold"), figure)
plt.style.use("no-such-style")
""",
    )


@mess
def magics(answers):
    """Line magics, cell magics, shell lines and questions everywhere."""
    made = both(
        answers,
        """
%matplotlib inline
%load_ext autoreload
%autoreload 2
!pip install --quiet einops
!ls -la
files = !ls
x = %time 1 + 1
%timeit x + 1
%env TOKENIZERS_PARALLELISM=false
?len
torch.softmax??
%cd /tmp
%who
get_ipython().run_line_magic("matplotlib", "inline")
get_ipython().system("ls")
""",
    )
    cells = (
        "%%bash\nls",
        "%%html\n<b>no</b>",
        "%%timeit\ncausal_mask(3)",
        "%%javascript\nalert(1)",
        "%%no_such",
    )
    made["cells"] += [code(source, f"magic-{number}") for number, source in enumerate(cells)]
    for cell, magic in zip(
        answer_cells(made), ("%%time", "%%capture out", "\n\n%%time\n%%capture"), strict=True
    ):
        cell["source"] = f"{magic}\n{cell['source']}"
    return made


@mess
def magics_within(answers):
    """Magics stand in the answers' own cells, before and after the code."""
    made = notebook(answers)
    for cell in answer_cells(made):
        cell["source"] = f"%matplotlib inline\n!nvidia-smi\n{cell['source']}\n%timeit causal_mask(4)\nlen?"
    return made


@mess
def emoji_and_long_lines(answers):
    """A line of 90,000 characters, names in other scripts, and text in a dozen of them."""
    return above(
        answers, f"data = '{'ab ' * 30_000}'\nначало = 'früh 早い 🐍'\nµ, ﬁ = 1, 2\nprint(начало, data)"
    )


@mess
def a_book_pasted_in(answers):
    """A text of a megabyte stands in a cell as a string."""
    return above(answers, f"text = '''{'Who goes there?  ' * 60_000}'''")


@mess
def input_everywhere(answers):
    """The learner's own cells ask questions."""
    return both(answers, "name = input('Who are you? ')\nimport getpass\ngetpass.getpass()")


# --- Cells that go wrong ------------------------------------------------------------------------------


@mess
def answers_cells_that_need_what_only_the_learner_has(answers):
    """Above each definition its cell asks for input, opens a file, imports a package or asks IPython something."""
    needs = (
        "size = int(input())",
        "text = open('mine.txt').read()",
        "import my_own\n'x' in get_ipython().config",
    )
    return notebook({e: f"{need}\n{answers[e]}" for e, need in zip(answers, needs, strict=True)})


@mess
def raises(answers):
    """Cells that raise, at import, in a call, on purpose, and by a typo."""
    made = both(answers, "import a_package_that_nobody_has")
    for number, source in enumerate(
        (
            "1 / 0",
            "raise KeyboardInterrupt",
            "attend(1, 2)",
            "prin('x')",
            "def broken(:",
            "assert False",
            "    x = 1\n  y",
        )
    ):
        made["cells"].insert(4 * number, code(source, f"raises-{number}"))
    return made


@mess
def leaves(answers):
    """Cells that end the program: sys.exit(), exit(), quit()."""
    made = both(answers, "import sys\nsys.exit('enough')")
    made["cells"].insert(3, code("exit()", "exit"))
    made["cells"].insert(9, code("quit(3)", "quit"))
    return made


@mess
def restarts_the_kernel(answers):
    """After an install Colab's kernel is restarted by killing it."""
    return above(answers, "import os\nos.kill(os.getpid(), 9)")


@mess(limit=1.0)
def endless(answers):
    """A demonstration that never ends."""
    return above(answers, "import time\nwhile True:\n    time.sleep(0.1)")


@mess(limit=1.0)
def endless_at_the_end(answers):
    """The last cell sleeps for a minute, whatever is thrown at it."""
    return below(answers, "import time\ntry:\n    time.sleep(60)\nexcept BaseException:\n    time.sleep(60)")


@mess(limit=2.0)
def endless_below_the_answer(answers):
    """An endless demonstration stands below an answer, in the same cell."""
    made = notebook(answers)
    made["cells"][position(made, ATTEND)]["source"] += "\n\nwhile True:\n    attend(*torch.randn(3, 4, 8))"
    return made


@mess
def fails_below_the_answer(answers):
    """Each answer's cell ends in a test that fails."""
    made = notebook(answers)
    for cell in answer_cells(made):
        cell["source"] += "\n\nassert causal_mask(3).sum() == 7, 'why?'"
    return made


@mess
def deep_recursion(answers):
    """A cell recurses without end, and one allows itself to go deeper."""
    made = above(answers, "def f(n): return f(n + 1)\nf(0)")
    made["cells"].append(code("import sys\nsys.setrecursionlimit(50_000)", "deeper"))
    return made


@mess
def out_of_memory(answers):
    """A cell asks for more memory than there is."""
    return above(answers, "table = torch.zeros(10**12)\n")


@mess
def no_such_file(answers):
    """A cell reads a file that only the learner had, and others write theirs."""
    made = above(answers, "text = open('my_data/input.txt').read()")
    source = "import os\nos.makedirs('out', exist_ok=True)\nos.chdir('out')\nopen('log.txt', 'w').write('x')"
    made["cells"].insert(4, code(source, "writes"))
    made["cells"].append(
        code("torch.save({'a': torch.ones(3)}, 'model.pt')\ntorch.load('model.pt')", "saves")
    )
    return made


@mess
def the_network(answers):
    """A cell downloads something."""
    return above(
        answers, "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/data', timeout=1)"
    )


@mess
def other_processes(answers):
    """Cells start programs, a pool, and a DataLoader with workers."""
    made = above(answers, "import subprocess\nsubprocess.run(['nvidia-smi'], check=True)")
    loader = "torch.utils.data.DataLoader(list(range(8)), num_workers=2)"
    made["cells"].append(code(f"for batch in {loader}:\n    print(batch)", "loader"))
    made["cells"].append(code("import multiprocessing\nmultiprocessing.Pool(2).map(abs, [1, -1])", "pool"))
    return made


@mess
def threads_left(answers):
    """Threads and an executor were left running."""
    return above(
        answers,
        """
import threading, time
from concurrent.futures import ThreadPoolExecutor
def tick():
    while True:
        time.sleep(0.01)
threading.Thread(target=tick).start()
pool = ThreadPoolExecutor(2)
pending = [pool.submit(time.sleep, 60) for _ in range(4)]
""",
    )


# --- State left behind --------------------------------------------------------------------------------


@mess
def gradients_off(answers):
    """Gradients were switched off for a demonstration, and never on again."""
    return above(answers, "torch.set_grad_enabled(False)")


@mess
def warnings_as_errors(answers):
    """Warnings were made errors."""
    return above(
        answers, "import warnings\nwarnings.simplefilter('error')\nimport numpy\nnumpy.seterr(all='raise')"
    )


@mess
def state_of_torch(answers):
    """Threads, printing, determinism, anomaly detection and seeds were set."""
    return above(
        answers,
        """
import random
torch.set_num_threads(4)
torch.set_printoptions(precision=2, sci_mode=False)
torch.use_deterministic_algorithms(True)
torch.autograd.set_detect_anomaly(True)
torch.manual_seed(1337)
random.seed(1337)
""",
    )


@mess
def state_of_python(answers):
    """Streams, locale, environment, garbage collection and exit handlers were changed."""
    return above(
        answers,
        """
import atexit, builtins, gc, io, locale, os, sys
gc.disable()
atexit.register(print, "bye")
os.environ.clear()
sys.stdout = io.StringIO()
sys.stderr = None
sys.path.insert(0, "..")
sys.argv = ["mine"]
locale.setlocale(locale.LC_ALL, "C")
builtins.print = lambda *a, **k: None
""",
    )


@mess
def names_shadowed_above(answers):
    """Built-in names were given away, and modules are called otherwise too."""
    return above(
        answers,
        "list = [1]; dict = {}; type = 'x'; input = 3; str = max = id = all = None\nimport torch as t",
    )


@mess
def names_shadowed_below(answers):
    """Below the answers, names that they use were given away: a loop over k, F as a frequency, math as a mark."""
    return below(answers, "for F in range(3): pass\nmath = 'B+'\nnn = 5\ntorch = None\nTensor = list")


@mess
def default_dtype_below(answers):
    """Below the answers, the default dtype became float64."""
    return below(answers, "torch.set_default_dtype(torch.float64)")


@mess
def helpers_before_and_after(answers):
    """Answers call helpers that stand in cells before, between and after them."""
    made = notebook(
        {exercise: into(answer, "    before(); after()\n") for exercise, answer in answers.items()}
    )
    made["cells"].insert(3, code("def before():\n    return between()", "before"))
    made["cells"].insert(position(made, WEIGHTS), code("def between():\n    return LATE", "between"))
    made["cells"].append(code("LATE = 3\nafter = lambda: before()", "after"))
    return made


@mess
def helpers_patched(answers):
    """A helper is replaced by a better one further down, by assignment, by exec and by setattr."""
    made = notebook(
        {
            exercise: into(answer, "    helper(); Tools.use(); made()\n")
            for exercise, answer in answers.items()
        }
    )
    source = "def helper():\n    raise ValueError('first try')\n\n\nclass Tools:\n    use = None"
    made["cells"].insert(3, code(source, "first"))
    source = (
        "helper = lambda: 3\nsetattr(Tools, 'use', staticmethod(lambda: 4))\nexec('def made(): return 5')"
    )
    made["cells"].append(code(source, "second"))
    return made


@mess
def main_guard(answers):
    """The answers' cells hold a main block and a demonstration class."""
    made = notebook(answers)
    for cell in answer_cells(made):
        cell["source"] += "\n\n\nif __name__ == '__main__':\n    print(causal_mask(3))"
    return made


@mess
def awaits(answers):
    """A cell awaits at its top level, as notebooks allow; one of them is an answer's."""
    made = above(answers, "import asyncio\nasync def wait():\n    await asyncio.sleep(0.01)\nawait wait()")
    made["cells"][position(made, ATTEND)]["source"] += "\n\nawait asyncio.sleep(0.01)"
    return made


@mess
def future_annotations(answers):
    """`from __future__ import annotations` stands in the first cell, and holds in the kernel from there on."""
    hinted = {
        exercise: answer.replace("mask=None", "mask: Mask | Non = None")
        for exercise, answer in answers.items()
    }
    hinted[MASK] = hinted[MASK].replace("(T", "(T: Length", 1).replace("Length: int", "Length")
    return above(hinted, "from __future__ import annotations")


@mess
def a_demonstration_that_is_slow(answers):
    """A demonstration of the learner's own trains for an hour; they tagged it as such."""
    made = above(answers, "import time\ntime.sleep(3600)")
    made["cells"][position(made, MASK) - 1]["metadata"] = {"tags": ["demonstration"]}
    return made


@mess
def compares_with_the_library(answers):
    """A cell compares with the course's own library, also inside of other days."""
    return both(
        answers,
        """
import handmade
from handmade.corpus import make_corpus
print(make_corpus("play", seed=0).text[:50])
from handmade.attention import attend as theirs, causal_mask as their_mask
print((attend(*torch.ones(3, 4, 8)) - theirs(*torch.ones(3, 4, 8))).abs().max())
""",
    )


def into(answer: str, lines: str) -> str:
    """The answer with lines more at the start of its body, below its docstring."""
    head, body = answer.split(":\n", 1)
    if body.lstrip().startswith('"""'):
        docstring, end, body = body.partition('"""\n') if body.count('"""') == 1 else body.rpartition('"""\n')
        return f"{head}:\n{docstring}{end}{lines}{body}"
    return f"{head}:\n{lines}{body}"
