"""What a rubric asks of a learner's values. Each failure explains itself in the learner's terms."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.picture import Picture, compare


class Failed(AssertionError):
    """A property does not hold; the message is what the learner reads, the picture what they may see beside it."""

    def __init__(self, because: str, picture: Picture | None = None) -> None:
        super().__init__(because)
        self.picture = picture


def that(holds: bool, because: str, show: tuple[Tensor, Tensor] | None = None) -> None:
    """Fail with `because` unless `holds`; `show` are the learner's values and the wanted ones."""
    if not holds:
        picture = None
        if show and show[0].shape == show[1].shape and show[0].numel():
            yours, wanted = show[0].cpu(), show[1].cpu()
            picture = compare(yours, wanted, yours != wanted, _index((yours != wanted).double()))
        raise Failed(because, picture)


def shape(value: Tensor, wanted: Sequence[int], of: str) -> None:
    """Fail unless `value` has exactly the shape `wanted`; `of` says what was computed."""
    that(
        tuple(value.shape) == tuple(wanted),
        f"{of} has shape {_shape(value.shape)}, expected {_shape(wanted)}",
    )


def close(actual: Tensor, wanted: Tensor, because: str, tolerance: float = 1e-5) -> None:
    """Fail with `because` unless the tensors agree to `tolerance`, absolute for small values, relative for large."""
    shape(actual, wanted.shape, "the result")
    if not actual.numel():
        return
    actual, wanted = actual.double().cpu(), wanted.double().cpu()
    difference = (actual - wanted).abs() / wanted.abs().clamp(min=1.0)
    # Infinities agree with themselves. NaN agrees with nothing: `wanted` may be a result of the learner's, too.
    difference = difference.masked_fill(actual == wanted, 0.0).nan_to_num(nan=float("inf"))
    if float(difference.max()) > tolerance:
        at = _index(difference)
        where = f" at {at}" if at else ""
        because = f"{because} (yours is {actual[tuple(at)]:.5g}{where}, expected {wanted[tuple(at)]:.5g})"
        raise Failed(because, compare(actual, wanted, difference > tolerance, at))


def equal(actual: Tensor, wanted: Tensor, because: str) -> None:
    """Fail with `because` unless the tensors agree exactly."""
    close(actual, wanted, because, tolerance=0.0)


def finite(value: Tensor, of: str) -> None:
    """Fail if there is a NaN or an infinity in `value`."""
    bad = ~torch.isfinite(value)
    that(not bad.any(), f"{of} has {int(bad.sum())} values that are NaN or infinite")


def numbers(value: Tensor, wanted: Sequence[int], of: str) -> None:
    """Fail unless `value` has exactly the shape `wanted` and holds finite numbers: the least to ask of a result."""
    shape(value, wanted, of)
    finite(value, of)


def kind(value: Any, wanted: type, of: str) -> None:
    """Fail unless `value` is a `wanted`; an int passes for a float."""
    right = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
    article = "an" if wanted.__name__[0] in "aeiou" else "a"
    that(right, f"{of} returned {_describe(value)}; it must return {article} {wanted.__name__.lower()}")


def _index(values: Tensor) -> list[int]:
    """Where the largest value is."""
    return [int(i) for i in torch.unravel_index(values.argmax(), values.shape)]


def _describe(value: Any) -> str:
    if value is None:
        return "None (is there a `return`?)"
    handle = getattr(
        value, "_target", value
    )  # of a remote object, which must not be asked for its attributes
    name = getattr(handle, "kind", type(value).__name__).lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _shape(sizes: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, sizes)) + ("," if len(sizes) == 1 else "") + ")"
