"""``gpu-check``: estimates against what others measured, devices as real machines answered, exit codes."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DATA, RAGCLI, environment, lines, run
from hub_server import Hub, HuggingFaceHandler, ModelScopeHandler, Repo
from ragcli.errors import ModelError, UsageError
from ragcli.hardware import Load, estimate, fit, read
from ragcli.hardware.finding import known
from ragcli.hardware.known import CHAT, EMBEDDING
from ragcli.hardware.memory import longest_context, weight_bytes

GPU = DATA / "gpu"
MIB, GIB = 1 << 20, 1 << 30
MEASURED = json.loads((GPU / "measurements.json").read_text())
INFERENCE, TRAINING = MEASURED["inference"], MEASURED["training"]


# ---------------------------------------------------------------- against measurements


@pytest.mark.parametrize("row", INFERENCE["rows"], ids=lambda row: f"{row['model']}-{row['quantization']}")
def test_inference_agrees_with_what_others_measured(row: dict) -> None:
    model = read(row["config"], row["model"])
    # What is allocated beside the weights of quantised models depends on their kernels.
    near = 0.03 if row["quantization"] == "BF16" else 0.06
    for length, mib in zip(INFERENCE["inputs"], row["mib"], strict=True):
        own = estimate(model, Load(context=length + INFERENCE["generated"]))
        assert own.allocated / MIB == pytest.approx(mib, rel=near), (length, own.parts)
        assert own.needed > mib * MIB


@pytest.mark.parametrize("row", TRAINING["rows"], ids=lambda row: f"{row['model']}-{row['task']}")
def test_training_agrees_with_what_others_measured_and_never_says_fits_below_it(row: dict) -> None:
    model = read(row["config"], row["model"])
    for length, gb in zip(TRAINING["lengths"], row["gb"], strict=True):
        load = Load(task=row["task"], context=length)
        own = estimate(model, load)
        assert own.allocated / 1e9 == pytest.approx(gb, rel=0.15), (length, own.parts)
        # Whether the table's GB are 1e9 bytes or GiB, less than measured is not said to be enough.
        assert not fit(model, load, [int(gb * GIB)]).fits


def test_several_gpus_agree_with_what_others_measured() -> None:
    """Qwen-7B, all parameters, ZeRO-3 on 2 GPUs; Qwen-72B, LoRA, ZeRO-3 on 4: GB of all together."""
    seven = next(row for row in TRAINING["rows"] if row["model"] == "Qwen-7B")["config"]
    largest = next(row for row in TRAINING["rows"] if row["model"] == "Qwen-72B")["config"]
    for config, task, gpus, gb in (
        (seven, "full", 2, [139.2, 148.0, 162.0]),
        (largest, "lora", 4, [215.4, 217.7, 222.6, 228.8, 249.0]),
    ):
        for length, total in zip(TRAINING["lengths"], gb, strict=False):
            load = Load(task=task, context=length, gpus=gpus, sharding="zero3")
            own = estimate(read(config), load)
            assert own.allocated * gpus / 1e9 == pytest.approx(total, rel=0.15)
            assert own.needed * gpus >= total * 1e9


@pytest.mark.parametrize("name", [name for name in MEASURED["kv_bytes_per_token"] if name != "source"])
def test_bytes_of_the_cache_are_exact(name: str) -> None:
    assert known(name).cache_bytes(1) == MEASURED["kv_bytes_per_token"][name]


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # of the checkpoints, as the hub's listing of their safetensors counts them
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
        ("Qwen/Qwen2.5-3B-Instruct", 3_085_938_688),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
        ("Qwen/Qwen2.5-14B-Instruct", 14_770_033_664),
        ("Qwen/Qwen2.5-32B-Instruct", 32_763_876_352),
        ("Qwen/Qwen2.5-72B-Instruct", 72_706_203_648),
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("Qwen/Qwen3-30B-A3B", 30_532_122_624),
        ("Qwen/Qwen3-235B-A22B", 235_093_634_560),
        ("internlm/internlm2_5-7b-chat", 7_737_708_544),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("meta-llama/Llama-3.1-70B-Instruct", 70_553_706_496),
        ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400),
        ("BAAI/bge-m3", 567_754_752),
        ("BAAI/bge-large-zh-v1.5", 325_522_432),
    ],
)
def test_parameters_are_those_of_the_checkpoint(name: str, parameters: int) -> None:
    assert known(name).parameters == pytest.approx(parameters, rel=1e-4)


def test_latent_attention_experts_windows_and_linear_layers() -> None:
    deepseek = {
        "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
        "moe_layer_freq": 1, "vocab_size": 129280, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "fp8", "fmt": "e4m3"},
    }  # fmt: skip
    model = read(deepseek, "DeepSeek-V3")
    assert model.parameters / 1e9 == pytest.approx(671, rel=1e-3)  # the figures of its report
    assert model.active / 1e9 == pytest.approx(37, rel=0.02)
    assert model.cache_bytes(1) == 61 * (512 + 64) * 2
    assert weight_bytes(model, "auto") == pytest.approx(model.parameters, rel=0.01)
    assert any("expands" in note for note in fit(model, Load(), [80 * GIB]).notes)
    together = Load(context=131072, gpus=8, sharding="tensor")
    assert estimate(model, together).parts["kv_cache"] == model.cache_bytes(131072)  # it has no heads to share

    mistral = {
        "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "sliding_window": 4096,
        "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
    }  # fmt: skip
    window = read(mistral)
    assert window.parameters == 7_241_732_096
    assert window.cache_bytes(32768) == window.cache_bytes(4096) == 4096 * 131072
    off = read({**mistral, "use_sliding_window": False})
    assert off.cache_bytes(32768) == 32768 * 131072

    gemma = read({**mistral, "model_type": "gemma2", "tie_word_embeddings": True})
    assert gemma.cached_tokens(8192) == [4096, 8192] * 16
    mixed = read({**mistral, "layer_types": ["linear_attention"] * 24 + ["full_attention"] * 8})
    assert len(mixed.cached_tokens(100)) == 8
    assert mixed.state > 0
    assert mixed.cache_bytes(200) - mixed.cache_bytes(100) == 100 * 8 * 2 * 8 * 128 * 2


def test_quantised_checkpoints_take_what_they_take() -> None:
    config = next(row["config"] for row in INFERENCE["rows"] if row["model"] == "Qwen3-8B")
    whole = read(config)
    sizes = {}
    for name, how in {
        "awq": {"quant_method": "awq", "bits": 4, "group_size": 128},
        "gptq": {"quant_method": "gptq", "bits": 8, "group_size": 128},
        "nf4": {"quant_method": "bitsandbytes", "load_in_4bit": True},
        "fp8": {"quant_method": "fp8"},
        "ct": {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}},
    }.items():
        sizes[name] = weight_bytes(read({**config, "quantization_config": how}), "auto") / GIB
    assert sizes["awq"] == pytest.approx(5.68, rel=0.02)  # what the files on the hub take
    assert sizes["nf4"] < sizes["awq"] < sizes["fp8"] < sizes["gptq"] < weight_bytes(whole, "bf16") / GIB
    assert sizes["ct"] == pytest.approx(sizes["awq"], rel=0.02)
    assert (
        read({**config, "quantization_config": {"quant_method": "x", "config_groups": {"g": None}}}).quantization
        is None
    )

    oss = {
        "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "num_local_experts": 32,
        "num_experts_per_tok": 4, "vocab_size": 201088, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "mxfp4"},
    }  # fmt: skip
    assert weight_bytes(read(oss), "auto") == pytest.approx(13.8e9, rel=0.02)  # the experts alone are in 4 bits


def test_a_listing_that_says_more_than_the_shape_counts() -> None:
    model = known("Qwen/Qwen2.5-7B-Instruct")
    plain = estimate(model, Load())
    more = estimate(model, Load(), weights=int(weight_bytes(model, "stored") * 1.3))
    assert more.parts["weights"] == pytest.approx(plain.parts["weights"] * 1.3, rel=1e-6)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "does not say its hidden_size"),
        ({"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}, "does not say its vocab_size"),
        ({"hidden_size": "wide"}, "says 'wide' for hidden_size"),
        ({"hidden_size": 1e30}, "says 1e\\+30 for hidden_size, which cannot be"),
        ({"hidden_size": 8, "num_hidden_layers": 0}, "says 0 for num_hidden_layers"),
        ({"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 0}, "says 0 for num_attention_heads"),
    ],
)
def test_configs_that_tell_too_little(config: dict, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        read(config, "x")


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from([*CHAT, *EMBEDDING]),
    task=st.sampled_from(["infer", "lora", "qlora", "full", "embed"]),
    context=st.integers(1, 32768),
    batch=st.integers(1, 64),
    gpus=st.integers(1, 8),
    sharding=st.sampled_from(["auto", "none", "pipeline", "tensor", "fsdp", "zero3"]),
)
def test_more_work_never_takes_less(name: str, task: str, context: int, batch: int, gpus: int, sharding: str) -> None:
    model = known(name)
    load = Load(task=task, context=context, batch=batch, gpus=gpus, sharding=sharding)
    own = estimate(model, load)
    assert all(size >= 0 for size in own.parts.values())
    assert own.needed > own.allocated
    for more in (
        Load(task=task, context=context + 512, batch=batch, gpus=gpus, sharding=sharding),
        Load(task=task, context=context, batch=batch + 1, gpus=gpus, sharding=sharding),
    ):
        assert estimate(model, more).allocated >= own.allocated
    if gpus > 1:
        alone = estimate(model, Load(task=task, context=context, batch=batch))
        assert own.allocated <= alone.allocated + model.largest_layer * 4


def test_the_longest_context_is_the_longest() -> None:
    model = known("Qwen/Qwen2.5-7B-Instruct")
    for task, room in (("infer", 16 * GIB), ("qlora", 24 * GIB), ("lora", 24 * GIB)):
        load = Load(task=task)
        longest = longest_context(model, load, room)
        if longest:
            assert fit(model, Load(task=task, context=longest), [room]).fits
        if longest < model.positions:
            assert not fit(model, Load(task=task, context=longest + 1), [room]).fits


def test_loads_that_make_no_sense() -> None:
    for load in (Load(task="fly"), Load(context=0), Load(gpus=0), Load(sharding="half")):
        with pytest.raises(UsageError):
            estimate(known("Qwen/Qwen3-8B"), load)


# ---------------------------------------------------------------- machines, as they answered


class Machine:
    """A machine whose NVML and nvidia-smi answer as a real one did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.more: dict[str, str] = {"NVML_REPLAY": "none"}
        self.packages = folder / "packages"
        self.packages.mkdir()

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def smi(self, file: str, capability: str = "") -> None:
        body = f"case \"$*\" in *compute_cap*) {capability or 'exit 2'};; *) cat '{GPU / file}';; esac\n"
        self.program("nvidia-smi", body)

    def torch(self, cuda: str | None, version: str = "2.9.0", hip: str | None = None) -> None:
        package = self.packages / "torch"
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('gpu-check imports no torch')\n")
        text = f"__version__ = '{version}'\ncuda: str | None = {cuda!r}\nhip: str | None = {hip!r}\n"
        (package / "version.py").write_text(text)
        info = self.packages / f"torch-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")

    def run(self, *args: str, code: int = 0, **more: str) -> tuple[list[dict], str]:
        path = f"{self.packages}:{Path(__file__).parent / 'replay'}"
        own = environment(**{**self.more, "PYTHONPATH": path, **more})
        own["PATH"] = f"{self.bin}:{own['PATH']}"
        done = subprocess.run([RAGCLI, "gpu-check", *args], env=own, capture_output=True, timeout=120)
        assert done.returncode == code, done.stderr.decode()
        return lines(done.stdout), done.stderr.decode()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def kinds(records: list[dict], kind: str) -> list[dict]:
    return [one for one in records if one["type"] == kind]


def test_eight_cards_through_nvml(machine: Machine) -> None:
    machine.more["NVML_REPLAY"] = str(GPU / "nvml-8-h100.json")
    machine.torch("12.8")
    records, err = machine.run()
    assert err == ""
    gpus = [one for one in kinds(records, "device") if one["kind"] == "cuda"]
    assert len(gpus) == 8
    first = gpus[0]
    assert (first["name"], first["driver"], first["cuda"]) == ("NVIDIA H100 80GB HBM3", "565.57.01", "12.7")
    assert (first["memory_total"], first["memory_free"]) == (81559 * MIB, 81106 * MIB)
    assert (first["compute_capability"], first["bf16"], first["fp8"], first["mig"]) == ("9.0", True, True, False)
    assert kinds(records, "torch")[0]["usable"] is True
    fits = {(one["model"], one["task"], one["precision"]): one for one in kinds(records, "fit")}
    assert fits["Qwen/Qwen2.5-32B-Instruct", "infer", "bf16"]["fits"] is True
    assert fits["Qwen/Qwen2.5-72B-Instruct", "infer", "bf16"]["gpus_needed"] == 2
    assert fits["Qwen/Qwen2.5-72B-Instruct", "qlora", "auto"]["fits"] is True
    assert {one["model"] for one in kinds(records, "fit")} == {*CHAT, *EMBEDDING}
    (said,) = kinds(records, "advice")
    assert "Qwen/Qwen2.5-32B-Instruct in bf16" in " ".join(said["sentences"])
    some, _ = machine.run(CUDA_VISIBLE_DEVICES="2,5")
    assert [one["index"] for one in kinds(some, "device") if one["kind"] == "cuda"] == [2, 5]
    none, err = machine.run(CUDA_VISIBLE_DEVICES="")
    assert [one["kind"] for one in kinds(none, "device")] == ["cpu"]
    assert "CUDA_VISIBLE_DEVICES hides all 8 GPUs" in err
    big, _ = machine.run("Qwen/Qwen2.5-72B-Instruct", "--gpus", "2")
    assert (big[0]["fits"], big[0]["sharding"]) == (True, "pipeline")
    machine.run("Qwen/Qwen2.5-72B-Instruct", "--gpus", "9", code=4)


def test_a_divided_card_through_nvml_and_through_nvidia_smi(machine: Machine) -> None:
    machine.more["NVML_REPLAY"] = str(GPU / "nvml-mig-a100.json")
    through_nvml, _ = machine.run()
    machine.more["NVML_REPLAY"] = "none"
    machine.smi("mig-a100.xml", "echo 8.0")
    through_smi, _ = machine.run()
    for records in (through_nvml, through_smi):
        parts = [one for one in kinds(records, "device") if one["kind"] == "cuda"]
        assert [one["name"] for one in parts] == [f"NVIDIA A100-SXM4-80GB MIG {n}" for n in range(4)]
        assert all(one["mig"] and one["memory_free"] == 19955 * MIB for one in parts)
        assert all(one["compute_capability"] == "8.0" for one in parts)
        fits = {(one["model"], one["precision"]): one for one in kinds(records, "fit")}
        assert fits["Qwen/Qwen2.5-7B-Instruct", "bf16"]["fits"] is True  # of a part, not of the card
        assert fits["Qwen/Qwen2.5-14B-Instruct", "bf16"]["fits"] is False


def test_one_card_through_nvidia_smi_with_those_who_use_it(machine: Machine) -> None:
    machine.smi("one-3080.xml")
    machine.torch(None, "2.9.0+cpu")
    records, err = machine.run()
    assert err == ""
    gpu = kinds(records, "device")[0]
    assert (gpu["name"], gpu["memory_free"], gpu["bf16"], gpu["fp8"]) == (
        "NVIDIA GeForce RTX 3080",
        8938 * MIB,
        True,
        False,
    )
    assert [(one["pid"], one["bytes"]) for one in gpu["used_by"]] == [(1481, 18 * MIB), (4044, 541 * MIB)]
    (state,) = kinds(records, "torch")
    assert (state["usable"], state["problem"]) == (False, "this torch was built for the processor alone")
    assert state["mend"] == "uv pip install --reinstall torch --torch-backend=auto"
    shown, _ = machine.run("Qwen/Qwen2.5-7B-Instruct", "--precision", "int4")
    assert shown[0]["fits"] is True
    machine.run("Qwen/Qwen2.5-7B-Instruct", code=4)


def test_a_driver_that_is_too_old(machine: Machine) -> None:
    machine.smi("old-v100s.xml")
    machine.torch("12.8")
    records, _ = machine.run()
    gpu = kinds(records, "device")[0]
    assert (gpu["driver"], gpu["cuda"], gpu["compute_capability"], gpu["bf16"]) == ("460.73.01", "11.2", None, None)
    (state,) = kinds(records, "torch")
    assert state["usable"] is False
    assert "runs CUDA 11.2 at most, and this torch was built for 12.8 (it needs 525.60.13 or newer)" in state["problem"]
    assert state["mend"].endswith("--torch-backend=cu118")
    assert "too little" in " ".join(kinds(records, "advice")[0]["sentences"])  # 821 MiB are free


def test_a_card_that_the_build_of_torch_leaves_out(machine: Machine) -> None:
    machine.smi("old-v100s.xml", "echo 7.0")
    machine.torch("11.8")
    assert kinds(machine.run()[0], "torch")[0]["usable"] is True
    new = (GPU / "old-v100s.xml").read_text().replace("460.73.01", "580.65.06").replace("11.2", "13.0")
    (machine.folder / "new.xml").write_text(new)
    machine.program("nvidia-smi", f"case \"$*\" in *compute_cap*) echo 7.0;; *) cat '{machine.folder}/new.xml';; esac")
    (machine.packages / "torch" / "version.py").write_text("cuda = '12.8'\n")
    (state,) = kinds(machine.run()[0], "torch")
    assert "no code for a card of compute capability 7.0" in state["problem"]
    assert state["mend"].endswith("--torch-backend=cu126")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
            "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate",
        ),
        ("echo 'No devices were found'; exit 6", "nvidia-smi: No devices were found"),
        ("echo '<nvidia_smi_log><gpu>'", "nvidia-smi does not answer as expected"),
    ],
)
def test_an_nvidia_smi_that_fails_is_a_note(machine: Machine, script: str, says: str) -> None:
    machine.program("nvidia-smi", script)
    records, err = machine.run()
    assert [one["kind"] for one in kinds(records, "device")] == ["cpu"]
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("which", ["nvml", "nvidia-smi"])
def test_a_driver_that_hangs_does_not_take_the_command_with_it(machine: Machine, which: str) -> None:
    if which == "nvml":
        machine.more["NVML_REPLAY"] = "hang"
    else:
        machine.program("nvidia-smi", "exec sleep 3600")
    began = time.monotonic()
    records, err = machine.run()
    assert time.monotonic() - began < 30
    assert "does not answer within 10 s: the driver hangs" in err
    assert [one["kind"] for one in kinds(records, "device")] == ["cpu"]


def test_a_radeon(machine: Machine) -> None:
    machine.program("rocm-smi", f"cat '{GPU / 'rocm-smi.json'}'")
    machine.torch(None, hip="6.4")
    records, _ = machine.run()
    gpu = kinds(records, "device")[0]
    assert (gpu["kind"], gpu["name"]) == ("rocm", "Navi 32 [Radeon RX 7700 XT / 7800 XT]")
    assert gpu["memory_free"] == 17163091968 - 11615076352
    assert kinds(records, "torch")[0]["usable"] is True


def test_no_gpu_at_all() -> None:
    done = run("gpu-check")
    assert done.returncode == 0, done.stderr.decode()
    records = lines(done.stdout)
    (cpu,) = [one for one in kinds(records, "device") if one["kind"] == "cpu"]
    assert 0 < cpu["memory_free"] <= cpu["memory_total"]
    assert cpu["cores"] >= 1


# ---------------------------------------------------------------- the command


def test_plans_for_a_machine_that_is_not_here(tmp_path: Path) -> None:
    done = run("gpu-check", "Qwen/Qwen2.5-7B-Instruct", "--task", "qlora", "--gpu-memory", "24GiB")
    (record,) = lines(done.stdout)
    assert done.returncode == 0
    assert (record["fits"], record["available"], record["config_from"]) == (True, 24 * GIB, "table")
    assert record["allocated"] == sum(record["parts"].values()) < record["needed"] < record["available"]
    assert record["kv_bytes_per_token"] == 57344
    four = run("gpu-check", "Qwen/Qwen2.5-72B-Instruct", "--task", "qlora", "--gpu-memory", "24GB", "--gpus", "4")
    assert four.returncode == 4
    assert lines(four.stdout)[0]["available"] == 24 * 10**9
    gate = "ragcli gpu-check -q Qwen/Qwen2.5-7B-Instruct --task full --gpu-memory 24GiB || echo no"
    shell = subprocess.run(["bash", "-c", gate], env=environment(), capture_output=True, cwd=tmp_path)
    assert (shell.stdout, shell.stderr) == (b"no\n", b"")


def test_a_terminal_gets_words_and_gib() -> None:
    done = run("gpu-check", "Qwen/Qwen2.5-7B-Instruct", "--gpu-memory", "24GiB", "--format", "table")
    text = done.stdout.decode()
    assert "fits: needs 15.3 GiB of GPU, 24.0 GiB are free" in text
    assert "weights" in text
    assert "14.18 GiB" in text or "14.19 GiB" in text
    assert "longest context that fits: 32,768 tokens" in text
    table = run("gpu-check", "--gpu-memory", "24GiB", "--format", "table", COLUMNS="100").stdout.decode()
    assert "Qwen2.5-7B-Instruct" in table
    assert "To fine-tune by QLoRA" in table


def test_a_model_by_its_config_in_a_folder_a_file_or_on_a_hub(tmp_path: Path) -> None:
    config = next(row["config"] for row in INFERENCE["rows"] if row["model"] == "Qwen3-0.6B")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    marked = tmp_path / "marked.json"
    marked.write_bytes(b"\xef\xbb\xbf" + json.dumps({**config, "model_type": "someone's"}).encode())
    for name in (folder, folder / "config.json", marked):
        done = run("gpu-check", name, "--gpu-memory", "3GiB")
        assert done.returncode == 0, done.stderr.decode()
        assert lines(done.stdout)[0]["parameters"] == pytest.approx(596_049_920, rel=1e-4)
    assert 'the kind "someone\'s" is not known to ragcli' in lines(done.stdout)[0]["notes"][0]
    hubs = [Hub(HuggingFaceHandler), Hub(ModelScopeHandler)]
    try:
        for hub in hubs:
            files = {"config.json": json.dumps(config).encode(), "model.safetensors": b"x" * 100_000}
            hub.repos["someone/own"] = Repo({**files, "README.md": b"x"})
            hub.repos["someone/own-GGUF"] = Repo({"own-q4_0.gguf": b"x" * 70_000})
        more = {"HF_ENDPOINT": hubs[0].url, "MODELSCOPE_ENDPOINT": hubs[1].url, "HF_HOME": str(tmp_path / "hf")}
        more |= {"MODELSCOPE_CACHE": str(tmp_path / "ms"), "MODELSCOPE_HOME": str(tmp_path / "home")}
        done = run("gpu-check", "someone/own", "--gpu-memory", "3GiB", **more)
        assert done.returncode == 0, done.stderr.decode()
        assert lines(done.stdout)[0]["config_from"] in ("hf", "modelscope")
        assert all("safetensors" not in path for hub in hubs for _, path, _ in hub.asked)  # no weights
        assert not list(tmp_path.glob("hf/**/config.json"))
        gguf = run("gpu-check", "someone/own-GGUF", "--gpu-memory", "3GiB", **more)
        assert gguf.returncode == 1
        assert b"name the model that they were made of" in gguf.stderr
        off = run("gpu-check", "someone/own", "--gpu-memory", "3GiB", HF_HUB_OFFLINE="1", **more)
        assert off.returncode == 1
        assert b"the network is switched off" in off.stderr
    finally:
        for hub in hubs:
            hub.close()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--gpu-memory", "24"], 2, "'24' is no size"),
        (["--gpu-memory", "24 bananas"], 2, "is no size"),
        (["nowhere"], 1, "the model 'nowhere' is not on this machine"),
        (["--task", "fly"], 2, "'fly' is not one of"),
        (["x/y", "--context", "0"], 2, "0 is not in the range"),
        (["--source", "built-in"], 2, "has no config to ask for"),
        (["Qwen/Qwen3-8B", "--task", "lora", "--precision", "int4"], 2, "--precision is for infer and embed"),
        (["Qwen/Qwen3-8B", "--batch", "99999999999"], 2, "is not in the range"),
    ],
)
def test_wrong_usage(args: list[str], code: int, says: str) -> None:
    done = run("gpu-check", *args)
    assert done.returncode == code
    assert says in done.stderr.decode()
