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


FAMILIES = [
    "bert", "roberta", "distilbert", "deberta-v2", "electra", "modernbert", "nomic_bert", "llama", "mistral", "mixtral",
    "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "internlm3", "gemma", "gemma2", "gemma3_text", "phi",
    "phi3", "phimoe", "glm", "glm4_moe", "deepseek_v2", "deepseek_v3", "gpt_oss", "llama4_text", "olmo2", "cohere",
    "falcon", "bloom", "gpt2", "starcoder2", "smollm3", "ernie4_5", "granite",
]  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
def test_parameters_are_those_of_the_model_that_transformers_makes(kind: str) -> None:
    """Of the family's own default shape, on a device that holds nothing."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    from ragcli.hardware.families import ENCODERS

    config = AutoConfig.for_model(kind)
    with torch.device("meta"):
        model = (AutoModel if kind in ENCODERS else AutoModelForCausalLM).from_config(config, dtype=torch.bfloat16)
    count = sum(one.numel() for one in model.parameters())
    assert read(config.to_dict(), kind).parameters == pytest.approx(count, rel=0.015)
