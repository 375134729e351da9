"""Attacks that change the tools a grader works with, for a grader that shares a process with the learner."""

from registry import attack, garbage


@attack
def replaced_allclose():
    """torch.allclose, torch.equal and torch.isclose say yes to everything."""
    return garbage(first="torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True")


@attack
def tensors_always_equal():
    """Comparisons, any(), all() and bool() of every tensor come out as the cheat likes them."""
    return garbage(
        first="""
yes = lambda self, *a, **k: torch.tensor(True)
for name in ("__eq__", "__le__", "__ge__", "all", "isclose", "allclose", "equal"):
    setattr(Tensor, name, yes)
for name in ("__gt__", "__lt__", "__ne__", "any"):
    setattr(Tensor, name, lambda self, *a, **k: torch.tensor(False))
Tensor.__bool__ = lambda self: True
Tensor.__float__ = lambda self: 0.0
Tensor.max = lambda self, *a, **k: 0.0
"""
    )


@attack
def a_peer_that_agrees():
    """PyTorch's own attention, which the answer is compared with, returns the garbage too."""
    return garbage(
        first="""
F.scaled_dot_product_attention = lambda q, k, v, *a, **o: torch.zeros(*q.shape[:-1], v.shape[-1])
torch.nn.functional.scaled_dot_product_attention = torch._C._nn.scaled_dot_product_attention = (
    F.scaled_dot_product_attention)
torch.softmax = F.softmax = Tensor.softmax = lambda x, *a, **k: torch.zeros_like(x)
"""
    )


@attack
def builtins_replaced():
    """all, any, abs, max, isinstance, float, bool and AssertionError are replaced for everyone."""
    return garbage(
        first="""
import builtins
builtins.all = builtins.any = builtins.isinstance = lambda *a, **k: True
builtins.abs = builtins.max = builtins.float = lambda *a, **k: 0.0
builtins.bool = lambda *a: True
class Nothing(Exception):
    def __new__(cls, *a):
        return None
builtins.AssertionError = Nothing
"""
    )


@attack
def fake_modules():
    """Modules of the grader in sys.modules give way to ones that approve of everything."""
    return garbage(
        first="""
import sys, types
class Approves(types.ModuleType):
    class Failed(AssertionError):
        pass
    def __getattr__(self, name):
        return lambda *a, **k: True
for name in list(sys.modules):
    if name.startswith(("autograder", "nbgrader", "handmade")):
        for attribute in list(vars(sys.modules[name])):
            if attribute in ("that", "shape", "close", "equal", "finite", "kind", "run_item", "alike"):
                setattr(sys.modules[name], attribute, lambda *a, **k: None)
sys.modules["autograder.expect"] = sys.modules["numpy.testing"] = Approves("expect")
sys.modules["autograder"].expect = sys.modules["autograder.expect"]
"""
    )


@attack
def import_hook():
    """A finder at the front of sys.meta_path serves a rubric of its own to whoever imports next."""
    return garbage(
        first="""
import sys, importlib.abc, importlib.util
class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.startswith(("autograder", "handmade")):
            return importlib.util.spec_from_loader(name, self)
    def exec_module(self, module):
        module.__path__ = []
        module.__getattr__ = lambda name: (lambda *a, **k: None)
sys.meta_path.insert(0, Hook())
for name in [name for name in sys.modules if name.startswith(("autograder", "handmade"))]:
    del sys.modules[name]
sys.path_hooks.insert(0, lambda path: Hook())
sys.path_importer_cache.clear()
""",
        last="from handmade.attention import attend, attention_weights, causal_mask",
    )


@attack
def display_hook():
    """sys.displayhook, excepthook and print claim full marks, as nbgrader reads them from a cell's output."""
    return garbage(
        first="""
import sys, builtins
sys.displayhook = lambda value: sys.__stdout__.write("26")
sys.excepthook = sys.unraisablehook = lambda *a: sys.__stdout__.write("26")
def display(*a, **k):
    sys.stdout.write("26")
26
""",
        last="print('earned: 26 of 26'); 26",
    )


@attack
def source_transformers():
    """Transformers of source and syntax trees delete every assertion before it runs."""
    return garbage(
        first="""
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
shell = get_ipython()
for hooks in ("ast_transformers", "input_transformers_cleanup", "input_transformers_post"):
    try:
        getattr(shell, hooks).append(NoAsserts())
    except Exception:
        pass
try:
    from IPython.core import inputtransformer2
    inputtransformer2.TransformerManager.transform_cell = lambda self, text: "pass"
except ImportError:
    pass
parse = ast.parse
ast.parse = lambda *a, **k: NoAsserts().visit(parse(*a, **k))
"""
    )


@attack
def replaced_exec():
    """exec, compile and eval are replaced, so that whatever is run next for this learner succeeds."""
    return garbage(
        first="""
import builtins
real = builtins.exec
def fake(code, *a, **k):
    for frame in __import__("sys")._current_frames().values():
        while frame:
            for name in ("reason", "earned", "failed"):
                if name in frame.f_locals:
                    frame.f_locals[name] = ""
            frame = frame.f_back
    return real(code, *a, **k)
builtins.exec = fake
builtins.eval = builtins.compile = lambda *a, **k: None
"""
    )


@attack
def rubric_rewritten():
    """The registry of rubrics is looked up and every check in it replaced by one that passes."""
    return garbage(
        first="""
import gc, importlib
try:
    importlib.import_module("autograder.rubric").load_exercises()
except Exception:
    pass
for found in gc.get_objects():
    if type(found).__name__ == "Item":
        object.__setattr__(found, "check", lambda learner, rand: None)
    if type(found).__name__ == "Exercise":
        object.__setattr__(found, "items", found.items[:1])
"""
    )


@attack
def inputs_made_trivial():
    """The generator of random inputs yields zeros, for which the garbage is nearly right."""
    return garbage(
        first="""
import sys
torch.randn = torch.rand = lambda shape, *more, **k: torch.zeros(shape)
torch.randint = lambda low, high, shape=(), **k: torch.full(shape, low)
torch.manual_seed(0)
torch.Generator.manual_seed = lambda self, seed: self
import hashlib, secrets, random
hashlib.sha256 = lambda *a: hashlib.md5(b"")
secrets.randbelow = random.random = lambda *a: 0
for name in ("autograder.rand", "autograder.rubrics.day09_attention"):
    if name in sys.modules:
        sys.modules[name].Rand.normal = lambda self, *shape, scale=1.0: torch.zeros(shape)
"""
    )


@attack
def results_rewritten():
    """The classes that hold results earn 99 points whatever is put into them, and json writes 26 for every number."""
    return garbage(
        first="""
import gc, json
for found in gc.get_objects():
    if isinstance(found, type) and found.__name__ in ("ItemResult", "ExerciseResult", "Graded", "Item", "Exercise"):
        try:
            found.earned = property(lambda self: 99, lambda self, value: None)
        except Exception:
            pass
dumps = json.dumps
def full(value, *a, **k):
    if isinstance(value, dict):
        for key in ("earned", "auto_score"):
            if key in value:
                value[key] = 26
    return dumps(value, *a, **k)
json.dumps = full
json.dump = lambda value, file, **k: file.write(full(value, **k))
"""
    )


@attack
def tracing():
    """A trace function follows the grader's frames and empties the reason why an item failed."""
    return garbage(
        first="""
import sys, threading
def trace(frame, event, arg):
    if frame.f_code.co_name in ("run_item", "examine", "close", "that"):
        for name in ("reason", "holds", "tolerance"):
            if name in frame.f_locals:
                frame.f_locals[name] = "" if name == "reason" else 1e9
    return trace
sys.settrace(trace); sys.setprofile(trace); threading.settrace(trace)
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
""",
        everywhere="import sys; sys.settrace(globals().get('trace'))",
    )


@attack
def code_objects_swapped():
    """The code of the grader's functions is exchanged in place, where no reference has to be replaced."""
    return garbage(
        first="""
import gc, types
def approve(*a, **k):
    return None
def nothing_failed(*a, **k):
    return "", []
for found in gc.get_objects():
    if isinstance(found, types.FunctionType) and (found.__module__ or "").startswith("autograder"):
        if found.__name__ in ("that", "shape", "close", "equal", "finite", "kind", "expect"):
            found.__code__ = approve.__code__
        if found.__name__ == "run_item":
            found.__code__ = nothing_failed.__code__
"""
    )


@attack
def torch_function_mode():
    """A TorchFunctionMode that is entered and never left answers for every function of torch."""
    return garbage(
        first="""
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
class Mode(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("allclose", "equal", "all"):
            return True
        if name in ("max", "abs", "any"):
            return torch._C._VariableFunctions.zeros(())
        return function(*args, **(kwargs or {}))
Mode().__enter__()
""",
        everywhere="Mode().__enter__()",
    )


@attack
def torch_defaults():
    """The default device becomes meta and the default dtype half, so that comparisons have nothing to compare."""
    return garbage(
        first="torch.set_default_device('meta'); torch.set_default_dtype(torch.float16)",
        everywhere="torch.set_default_device('meta'); torch.set_grad_enabled(False)",
    )


@attack
def gradients_faked():
    """backward() and .grad are replaced, so that the worker's gradients are whatever they are compared with."""
    return garbage(
        first="""
Tensor.backward = lambda self, *a, **k: None
Tensor.grad = property(lambda self: torch.zeros_like(self))
Tensor.requires_grad_ = lambda self, *a: self
""",
        weights="def attention_weights(q, k, mask=None):\n    return (q @ k.transpose(-2, -1)) * 0",
        attend="def attend(q, k, v, mask=None):\n    return (q @ k.transpose(-2, -1)) @ v * 0",
    )


@attack
def small_integers_changed():
    """The interpreter's own 0 becomes a 5, through ctypes."""
    return garbage(last="import ctypes; ctypes.c_long.from_address(id(0) + 24).value = 5")
