"""Attacks that return something that is not what it seems."""

from registry import attack, garbage

RETURNS = {
    "mask": "def causal_mask(*a, **k):\n    return lie(a, k)",
    "weights": "def attention_weights(*a, **k):\n    return lie(a, k)",
    "attend": "def attend(*a, **k):\n    return lie(a, k)",
}


def lying(first: str) -> dict:
    """The three functions return lie(args, kwargs)."""
    return garbage(first=first, **RETURNS)


@attack
def subclass_that_agrees():
    """A Tensor subclass answers every torch function with yes."""
    return lying("""
class Yes(Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(True)
    def __bool__(self):
        return True
def lie(a, k):
    return torch.zeros(1).as_subclass(Yes)
""")


@attack
def subclass_with_a_false_shape():
    """A Tensor subclass says that it has whatever shape, dtype and device are asked for."""
    return lying("""
class Any:
    def __eq__(self, other):
        return True
    def __iter__(self):
        return iter(())
    def __hash__(self):
        return 0
class Vague(Tensor):
    shape = property(lambda self: Any())
    dtype = property(lambda self: torch.bool)
    device = property(lambda self: torch.device("cpu"))
    def detach(self):
        return self
    def numpy(self):
        return self
    def tobytes(self):
        return bytes(10**6)
def lie(a, k):
    return torch.zeros(3).as_subclass(Vague)
""")


@attack
def wrapper_subclass_without_data():
    """A wrapper subclass claims a shape and a dtype that no storage stands behind."""
    return lying("""
class Hollow(Tensor):
    @staticmethod
    def __new__(cls):
        return Tensor._make_wrapper_subclass(cls, (2, 5, 5), dtype=torch.float32)
    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return Hollow()
def lie(a, k):
    return Hollow()
""")


@attack
def false_class():
    """An object whose __class__ is Tensor and which equals everything."""
    return lying("""
class Equal:
    __class__ = Tensor
    shape, dtype, device, ndim, layout = (1,), torch.bool, torch.device("cpu"), 1, torch.strided
    def __eq__(self, other):
        return True
    __ge__ = __le__ = __gt__ = __lt__ = __eq__
    def __getattr__(self, name):
        return lambda *a, **k: self
    def __hash__(self):
        return 1
    def __float__(self):
        return 0.0
def lie(a, k):
    return Equal()
""")


@attack
def metaclass_that_is_everything():
    """A class called Tensor whose metaclass makes every isinstance true, in place of torch.Tensor."""
    return lying("""
class Meta(type):
    def __instancecheck__(cls, value):
        return True
    def __subclasscheck__(cls, value):
        return True
    def __eq__(cls, other):
        return True
    def __hash__(cls):
        return hash(torch.Tensor)
Fake = Meta("Tensor", (), {"__module__": "torch"})
torch.Tensor = Fake
def lie(a, k):
    return Fake()
""")


@attack
def numbers_that_lie():
    """int, float, str and bool-like subclasses that are larger than, equal to and not different from anything."""
    return lying("""
class Number(int):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    def __hash__(self):
        return 0
    def __index__(self):
        return 10**18
    def __str__(self):
        return "1" * 10**7
    def bit_length(self):
        return 1
class Text(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
def lie(a, k):
    return [Number(3), Text("x"), {Text("ok"): Number(1)}]
""")


@attack
def containers_that_lie():
    """list, tuple and dict subclasses with lengths, items and iterators of their own."""
    return lying("""
class Long(list):
    def __len__(self):
        return 2**40
    def __iter__(self):
        while True:
            yield self
    def __eq__(self, other):
        return True
class Mapping(dict):
    def items(self):
        return Long()
    keys = values = items
def lie(a, k):
    return Mapping(ok=Long([1]))
""")


@attack
def object_that_answers_everything():
    """An object returned by handle plays along: every attribute and call gives it again, and every comparison holds."""
    return lying("""
class Agreeable:
    def __getattr__(self, name):
        return torch.ones(()) if name in ("item", "max") else self
    def __call__(self, *a, **k):
        return self
    def __iter__(self):
        return iter([self])
    def __next__(self):
        return self
def lie(a, k):
    return Agreeable()
""")


@attack
def pickles():
    """Objects whose pickles write a file where they are loaded, in every place that data can be in."""
    return lying("""
import pickle
class Bomb:
    def __reduce__(self):
        return (exec, ("open('@FOLDER@/@TOKEN@-pickle', 'w').close()",))
    def __reduce_ex__(self, protocol):
        return self.__reduce__()
    __deepcopy__ = __copy__ = lambda self, *a: self
raw = pickle.dumps(Bomb())
def lie(a, k):
    return {"ok": Bomb(), "pickle": [Bomb(), (Bomb(),)], "raw": torch.frombuffer(bytearray(raw), dtype=torch.uint8)}
""")


@attack
def exception_with_a_pickle():
    """The exception that is raised carries a pickle, in its arguments, its cause and its notes."""
    return lying("""
class Bomb(Exception):
    def __reduce__(self):
        return (exec, ("open('@FOLDER@/@TOKEN@-exception', 'w').close()",))
def lie(a, k):
    error = Bomb(Bomb())
    error.add_note("x" * 10**6)
    raise error from Bomb()
""")


@attack
def foreign_arrays():
    """Objects with __array__, __array_interface__, __dlpack__ and __torch_function__ whose addresses are invented."""
    return lying("""
class Array:
    __array_interface__ = {"shape": (2, 5, 5), "typestr": "<f4", "data": (4096, False), "version": 3}
    def __array__(self, *a, **k):
        raise SystemExit
    def __dlpack__(self, *a, **k):
        raise SystemExit
    def __dlpack_device__(self):
        return (1, 0)
    @classmethod
    def __torch_function__(cls, *a, **k):
        return True
def lie(a, k):
    return Array()
""")


@attack
def odd_tensors():
    """Sparse, quantized, complex, conjugated, nested, named, one-byte-of-2 and overlapping tensors, one a call."""
    return lying("""
import itertools
def kinds():
    yield torch.eye(5).to_sparse()
    yield torch.eye(5).to_sparse_csr()
    yield torch.quantize_per_tensor(torch.eye(5), 0.1, 0, torch.qint8)
    yield torch.ones(2, 5, 5, dtype=torch.complex64).conj()
    yield torch.ones(2, 5, 5, dtype=torch.complex64).imag
    yield torch._neg_view(torch.ones(2, 5, 5))
    yield torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    yield torch.ones(5, 5, names=("a", "b"))
    yield torch.tensor([2, 3, 255], dtype=torch.uint8).view(torch.bool)
    yield torch.ones(1).as_strided((2, 5, 5), (0, 0, 0))
    yield torch.ones(5, 5, dtype=torch.float8_e4m3fn)
    yield torch.nn.Parameter(torch.ones(5, 5))
    yield torch.empty(2, 5, 5, device="meta")
    yield torch.full((2, 5, 5), float("nan"))
    yield torch.full((2, 5, 5), float("inf"))
    freed = torch.ones(5, 5)
    freed.untyped_storage().resize_(0)
    yield freed
each = itertools.cycle(kinds())
def lie(a, k):
    return next(each)
""")


@attack
def nan_everywhere():
    """NaN, of which neither < nor > holds, in every place."""
    return lying("""
def lie(a, k):
    if len(a) and isinstance(a[0], Tensor):
        return torch.full((*a[0].shape[:-1], a[1].shape[-2] if len(a) < 4 else a[2].shape[-1]), float("nan"))
    return torch.full((a[0], a[0]), float("nan"))
""")


@attack
def empty_tensors():
    """Tensors without elements, of which every statement about all elements is true."""
    return lying("""
def lie(a, k):
    return torch.zeros(0, 5, dtype=torch.bool if not isinstance(a[0], Tensor) else torch.float32)
""")


@attack
def broadcasting_scalars():
    """A single number, which agrees in shape with whatever it is compared with."""
    return lying("""
def lie(a, k):
    return torch.ones(1) if isinstance(a[0], Tensor) else torch.ones(1, 1, dtype=torch.bool)
""")


@attack
def changed_after_the_return():
    """A thread goes on changing the tensor that was returned, between one check and the next."""
    return lying("""
import threading
out = torch.zeros(2, 5, 5)
def churn():
    while True:
        out.uniform_()
        out.resize_(torch.randint(1, 7, ()).item(), 5, 5)
threading.Thread(target=churn, daemon=True).start()
def lie(a, k):
    return out
""")


@attack
def arguments_changed_in_place():
    """The inputs are overwritten, in case the check computes what it wants from the same ones."""
    return garbage(
        everywhere="""
for value in list(locals().values()):
    if isinstance(value, Tensor):
        value.data = torch.zeros_like(value.data) if value.is_floating_point() else torch.ones_like(value.data)
        value.zero_() if value.is_floating_point() else value.fill_(True)
"""
    )


@attack
def callable_objects():
    """The answers are instances with __call__, whose names, code and signatures claim to be the library's."""
    return garbage(
        last="""
class Lie:
    __module__, __qualname__, __name__ = "handmade.attention", "attend", "attend"
    __wrapped__ = F.scaled_dot_product_attention
    __code__ = property(lambda self: (lambda q, k, v, mask=None: v).__code__)
    def __call__(self, *a, **k):
        return Lie()
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
attend = attention_weights = causal_mask = Lie()
"""
    )


@attack
def a_namespace_that_lies():
    """The notebook's namespace gets names that the worker or the grader may look up: Learner, expect, rand, Worker."""
    return garbage(
        last="""
class Approves:
    def __getattr__(self, name):
        return lambda *a, **k: None
expect = rand = Learner = Worker = reference = __builtins__ = Approves()
__name__, __file__, __loader__ = "autograder.rubrics", "@ROOT@/autograder/rubrics/day09_attention.py", Approves()
def __getattr__(name):
    return None
"""
    )


@attack
def exceptions_that_lie():
    """Exceptions named like the grader's own, that hang, recurse or shout when they are printed."""
    return lying("""
import itertools
class Failed(AssertionError):
    __module__ = "autograder.expect"
class Interrupted(BaseException):
    __module__ = "autograder.confine"
class TimeUp(BaseException):
    def __str__(self):
        return "0 seconds" * 10**6
class Deep(Exception):
    def __str__(self):
        return str(self)
class Hangs(Exception):
    def __str__(self):
        while True:
            pass
class Exits(Exception):
    def __str__(self):
        raise SystemExit(0)
def group():
    error = ExceptionGroup("g", [ValueError()])
    for _ in range(400):
        error = ExceptionGroup("g", [error])
    return error
kinds = itertools.cycle([Failed, Interrupted, TimeUp, Deep, Exits, KeyboardInterrupt, GeneratorExit, SystemExit,
    StopIteration, MemoryError, group, type("x" * 10**6, (Exception,), {}), Hangs])
def lie(a, k):
    raise next(kinds)()
""")


@attack
def swallows_everything():
    """Loops that catch BaseException, so that no timeout gets through."""
    return lying("""
def lie(a, k):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
""")


@attack
def endless_generator():
    """The answers are generators that never end, and iterators whose length is unknown."""
    return lying("""
def lie(a, k):
    while True:
        yield torch.zeros(1)
""")


@attack
def destructors():
    """__del__, weakref callbacks and atexit wait for the moment after the grading."""
    return lying("""
import atexit, gc, time, weakref
def late(*a):
    end = time.time() + 30
    while time.time() < end:
        pass
    open("@FOLDER@/@TOKEN@-late", "w").close()
class Late:
    def __del__(self):
        late()
kept = Late()
weakref.finalize(kept, late)
atexit.register(late)
gc.callbacks.append(late)
def lie(a, k):
    value = Late()
    value.self = value
    return value
""")
