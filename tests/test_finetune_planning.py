"""What is chosen where the user says nothing: by the data, by the machine, by what fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragcli.errors import GateError, UsageError
from ragcli.finetuning.planning import Data, Machine, Plan, early, plan
from ragcli.finetuning.settings import Settings
from ragcli.hardware.finding import known

GIB = 1 << 30
ROWS = Data(rows=2000, tokens=800_000, longest=900)
SEVEN = "Qwen/Qwen2.5-7B-Instruct"


def planned(gib: float, gpus: int = 1, data: Data = ROWS, name: str = SEVEN, kind: str = "cuda", **wish) -> Plan:
    memory = (int(gib * GIB),) * (gpus if kind == "cuda" else 1)
    machine = Machine(kind=kind, memory=memory, bf16=True, rate=1e14)
    settings = early(Settings(model=name, output="out", processes=gpus, **wish), machine)
    return plan(settings, data, machine, known(name), 32768)


@pytest.mark.parametrize(
    ("gib", "gpus", "method", "sharding"),
    [(80, 1, "lora", "ddp"), (24, 1, "lora", "ddp"), (14, 1, "qlora", "ddp"), (14, 4, "lora", "fsdp")],
)
def test_the_first_method_that_fits(gib, gpus, method, sharding):
    made = planned(gib, gpus)
    assert (made.settings.method, made.settings.sharding) == (method, sharding)
    assert made.needed <= made.available and made.settings.method in made.why[0]


def test_texts_are_learnt_whole_where_that_fits():
    small = "Qwen/Qwen2.5-0.5B-Instruct"
    assert planned(80, name=small, task="text").settings.method == "full"
    assert planned(8, name=small, task="text").settings.method != "full"


def test_what_does_not_fit_says_what_would():
    with pytest.raises(GateError, match=r"does not fit: qlora at 960 tokens needs [\d.]+ GiB") as raised:
        planned(5)
    assert "--length 480" in str(raised.value.hint)
    with pytest.raises(GateError) as raised:
        planned(24, method="full")
    assert "--method qlora" in str(raised.value.hint) and "--gpus" in str(raised.value.hint)


def test_length_batch_and_epochs_come_from_the_data():
    made = planned(80).settings
    assert (made.length, made.batch, made.epochs) == (960, 16, 2.0)
    few = planned(80, data=Data(rows=40, tokens=4000, longest=100)).settings
    assert (few.length, few.batch, few.epochs) == (128, 4, 3.0)
    many = planned(80, data=replace(ROWS, rows=50_000)).settings
    assert many.epochs == 1.0
    packed = planned(80, task="text", name="Qwen/Qwen2.5-0.5B-Instruct").settings
    assert packed.packing and packed.length == 2048 and packed.epochs == 1.0


def test_what_the_user_said_stands():
    made = planned(80, method="qlora", length=512, batch=24, micro_batch=3, epochs=5.0, learning_rate=1e-3).settings
    assert (made.method, made.length, made.batch, made.micro_batch) == ("qlora", 512, 24, 3)
    assert (made.accumulation, made.epochs, made.learning_rate) == (8, 5.0, 1e-3)


@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
def test_a_step_is_a_whole_number_of_passes(gpus):
    made = planned(80, gpus).settings
    assert made.batch == made.micro_batch * made.accumulation * gpus and made.batch >= 16


def test_pairs_keep_enough_of_each_others_negatives():
    made = planned(80, data=Data(rows=200, tokens=20_000, longest=200), task="embedding", name="BAAI/bge-m3").settings
    assert made.batch == 32 and made.method == "full"


def test_a_processor_reckons_activations_again_only_for_memory():
    small = "Qwen/Qwen2.5-0.5B-Instruct"
    assert not planned(64, kind="cpu", name=small).settings.checkpointing
    assert planned(80, name=small).settings.checkpointing
    tight = planned(14, kind="cpu", name=small, micro_batch=4, method="lora").settings
    assert tight.checkpointing and tight.micro_batch == 4


def test_the_time_grows_with_what_is_done():
    one = planned(80)
    assert planned(80, epochs=4.0).seconds == pytest.approx(2 * one.seconds)
    assert planned(80, max_steps=one.steps // 2).seconds == pytest.approx(one.seconds / 2, rel=0.02)
    assert planned(80, 2).seconds == pytest.approx(one.seconds / 2)


def test_settings_that_cannot_be():
    with pytest.raises(UsageError, match="more than the 32768 tokens"):
        planned(80, length=40_000)
    with pytest.raises(UsageError, match="is for GPUs"):
        planned(64, kind="cpu", precision="fp16")
