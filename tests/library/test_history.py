"""Day 21: reading a run, on histories drawn at random, with ties, NaN and nothing at all."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handmade.history import EarlyStopping, best_checkpoint, diagnose_run

losses = st.lists(st.one_of(st.sampled_from([1.0, 1.5, math.nan, math.inf]), st.floats(0, 5)), max_size=12)


def history(val, train=None):
    """Evaluations at steps 100, 200, …, with rows between them that hold no evaluation."""
    rows = []
    for i, (t, v) in enumerate(zip(train or val, val, strict=True)):
        rows.append({"step": 100 * i + 50, "loss": 0.0})
        rows.append({"step": 100 * (i + 1), "train_loss": t, "val_loss": v})
    return rows


@given(losses)
def test_best_checkpoint_is_the_earliest_of_the_lowest(val):
    step = best_checkpoint(history(val))
    finite = [v for v in val if math.isfinite(v)]
    if not finite:
        assert step is None, "without a finite validation loss no checkpoint is the best"
    else:
        expected = next(100 * (i + 1) for i, v in enumerate(val) if v == min(finite))
        assert step == expected, "not the first step with the lowest finite validation loss"


@given(losses, st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.5]))
def test_early_stopping_waits_for_patience_evaluations_that_are_no_better(val, patience, min_delta):
    stopper = EarlyStopping(patience, min_delta)
    best, since = math.inf, 0
    for loss in val:
        better = not math.isnan(loss) and loss < best - min_delta
        best, since = (loss, 0) if better else (best, since + 1)
        assert stopper.update(loss) == (since >= patience), f"after {since} evaluations without progress"


def test_progress_within_min_delta_is_none():
    stopper = EarlyStopping(patience=2, min_delta=0.1)
    assert [stopper.update(loss) for loss in (2.0, 1.95, 1.91)] == [False, False, True]


def decay(start, floor, rate, n=12):
    return [floor + (start - floor) * math.exp(-rate * i) for i in range(n)]


RUNS = {
    "healthy": [
        (decay(4.17, 1.8, 0.35), decay(4.17, 1.7, 0.35)),
        ([4.17, 2.278, 2.069, 1.963, 1.899], [4.17, 2.27, 2.03, 1.90, 1.83]),  # a real run
    ],
    "underfit": [(decay(4.17, 1.0, 0.05), decay(4.17, 1.0, 0.05))],
    "overfit": [
        ([4.2, 2.5, 1.9, 1.63, 1.44, 1.52, 1.71], [4.2, 2.45, 1.82, 1.51, 1.24, 1.05, 0.89]),
        ([4.2, 1.5, 1.56], [4.2, 1.3, 1.0]),
    ],
    "diverged": [
        ([4.2, 2.5, math.nan], [4.2, 2.4, 2.2]),
        ([4.2, 2.5, 2.4], [4.2, 2.4, math.inf]),
        ([4.2, 2.5, 3.9], [4.2, 2.4, 3.8]),
    ],
    "plateau": [
        (decay(4.17, 2.45, 3.0), decay(4.17, 2.45, 3.0)),
        ([4.17] * 8, [4.17] * 8),  # nothing is learned at all
    ],
    "broken-data": [
        (decay(4.17, 0.01, 1.0), decay(4.17, 0.01, 1.0)),  # the answer can be seen
        (decay(4.17, 1.2, 0.4), decay(4.17, 1.6, 0.4)),  # validation is easier than training
    ],
}


@pytest.mark.parametrize(("word", "run"), [(word, run) for word, runs in RUNS.items() for run in runs])
def test_diagnosis(word, run):
    val, train = run
    assert diagnose_run(history(val, train)) == word


@given(st.lists(st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)), min_size=2, max_size=12))
def test_any_run_with_two_evaluations_gets_one_of_the_six_words(pairs):
    assert diagnose_run(history([v for v, _ in pairs], [t for _, t in pairs])) in RUNS


@pytest.mark.parametrize("val", [[], [4.2]])
def test_a_run_without_a_shape_is_said_so(val):
    with pytest.raises(ValueError, match="evaluate at least twice"):
        diagnose_run(history(val))
