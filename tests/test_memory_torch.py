"""The estimates of gpu-check against models of true shape, traced on tensors without content."""

from __future__ import annotations

import sys

import pytest

from conftest import ROOT

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(ROOT / "benchmarks"))

from gpu_memory import MODELS, RANK, peak
from ragcli.hardware import Load, estimate, read

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and transformers' own


@pytest.mark.parametrize("length", [512, 4096])
def test_inference_is_what_a_trace_adds_up(length: int) -> None:
    """The whole prompt at once, as transformers does it."""
    own = estimate(read(MODELS["0.5B"]), Load(context=length, prefill=0))
    assert own.allocated == pytest.approx(peak(MODELS["0.5B"], "infer", length), rel=0.03)


@pytest.mark.parametrize("task", ["lora", "full"])
def test_training_needs_no_more_than_is_reckoned(task: str) -> None:
    traced = peak(MODELS["0.5B"], task, 2048)
    own = estimate(read(MODELS["0.5B"]), Load(task=task, context=2048, rank=RANK))
    assert traced < own.allocated < own.needed
    # Beside the buffers, which a trace does not show, it is no wild guess either.
    assert own.allocated - own.parts["buffers"] == pytest.approx(traced, rel=0.25)
