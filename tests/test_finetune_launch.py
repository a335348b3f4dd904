"""What the environment says of machines and processes, and which of several failures is the reason: without torch."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from ragcli import errors
from ragcli.errors import HubError, InputError, MissingExtraError, ModelError, OutOfMemoryError, RagcliError, UsageError
from ragcli.finetuning import outcomes, ranks, sharding
from ragcli.finetuning.launch import processes_for
from ragcli.finetuning.nodes import NodeSettings, interface
from ragcli.finetuning.outcomes import Outcome
from ragcli.finetuning.settings import Settings
from ragcli.hardware.finding import known
from ragcli.hardware.memory import Load, estimate

GIB = 1 << 30


def test_one_machine_needs_nothing():
    assert NodeSettings.from_environment({}) == NodeSettings()
    assert NodeSettings.from_environment({"NNODES": "1", "NODE_RANK": "0", "MASTER_ADDR": "x"}).count == 1
    assert NodeSettings.from_environment({"NNODES": " ", "MASTER_PORT": "no"}).count == 1


def test_several_machines():
    values = {"NNODES": "3", "NODE_RANK": "2", "MASTER_ADDR": "node0", "RAGCLI_RENDEZVOUS_TIMEOUT": "7.5"}
    found = NodeSettings.from_environment(values)
    assert found == NodeSettings(count=3, rank=2, address="node0", port=29500, timeout=7.5)
    assert NodeSettings.from_environment({**values, "MASTER_PORT": "4000"}).place == "node0:4000"
    assert NodeSettings.from_environment({**values, "MASTER_ADDR": "fd00::1"}).place == "[fd00::1]:29500"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"NNODES": "2"}, "MASTER_ADDR is not set"),
        ({"NNODES": "2", "MASTER_ADDR": "a"}, "NODE_RANK is not set"),
        ({"NNODES": "2", "MASTER_ADDR": "a", "NODE_RANK": "2"}, "the last machine has number 1"),
        ({"NNODES": "2", "MASTER_ADDR": "a", "NODE_RANK": "-1"}, "NODE_RANK='-1'"),
        ({"NNODES": "zwei", "MASTER_ADDR": "a"}, "NNODES='zwei'"),
        ({"NNODES": "0"}, "NNODES='0'"),
        ({"NNODES": "1:4"}, "NNODES='1:4'"),
        ({"NNODES": "²"}, "NNODES='²'"),
        ({"NNODES": "1", "NODE_RANK": "1"}, "the only machine has number 0"),
        ({"NODE_RANK": "1"}, "NNODES is not"),
        ({"NNODES": "2", "MASTER_ADDR": "a", "NODE_RANK": "0", "MASTER_PORT": "http"}, "MASTER_PORT='http'"),
        ({"NNODES": "2", "MASTER_ADDR": "a", "NODE_RANK": "0", "MASTER_PORT": "70000"}, "no port"),
        ({"RAGCLI_RENDEZVOUS_TIMEOUT": "soon"}, "'soon'"),
        ({"RAGCLI_RENDEZVOUS_TIMEOUT": "-3"}, "'-3'"),
        ({"RAGCLI_RENDEZVOUS_TIMEOUT": "nan"}, "'nan'"),
    ],
)
def test_machines_that_do_not_go_together(values: dict, words: str):
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        NodeSettings.from_environment(values)


def test_inside_torchrun_or_not():
    assert not ranks.inside({})
    assert ranks.inside({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    # Kubeflow counts machines by these names; with NNODES it is clear what is meant.
    assert not ranks.inside({"RANK": "1", "WORLD_SIZE": "2", "NNODES": "2", "NODE_RANK": "1"})
    with pytest.raises(UsageError, match="LOCAL_RANK not"):
        ranks.inside({"RANK": "1", "WORLD_SIZE": "2"})
    with pytest.raises(UsageError, match="do not go together"):
        ranks.inside({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
    with pytest.raises(UsageError, match="is not a number"):
        ranks.inside({"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})


def test_processes_on_the_processor():
    assert processes_for(None, "cpu", {}) == processes_for("auto", "cpu", {}) == 1
    assert processes_for("3", "cpu", {}) == processes_for(3, "cpu", {}) == 3
    assert processes_for("auto", "mps", {}) == 1
    for wrong in ("0", "-1", "two", "1.5", "٣", 0):
        with pytest.raises(UsageError, match="a number from 1, or auto"):
            processes_for(wrong, "cpu", {})
    with pytest.raises(UsageError, match="one GPU"):
        processes_for(2, "mps", {})


def test_processes_under_torchrun_are_those_that_are_there():
    values = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert processes_for("auto", "cpu", values) == processes_for(2, "cpu", values) == 2
    with pytest.raises(UsageError, match="started 2"):
        processes_for(4, "cpu", values)


def test_an_error_comes_back_as_it_was(tmp_path: Path):
    given = [
        ModelError("模型坏了。", hint="Take another."),
        InputError("train.jsonl:3: no text."),
        MissingExtraError("QLoRA", "quantize"),
        HubError("busy.", "busy", hint="later", after=3.0),
        errors.GateError("no."),
    ]
    for rank, error in enumerate(given):
        outcomes.write(tmp_path, outcomes.describe(error, rank))
    found = outcomes.read(tmp_path)
    assert len(found) == len(given)
    for outcome in found:
        error, again = given[outcome.rank], outcomes.raised(outcome, tmp_path)
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_other_ends(tmp_path: Path):
    again = outcomes.raised(outcomes.describe(SystemExit(3), 1), tmp_path)
    assert isinstance(again, SystemExit)
    assert again.code == 3
    assert isinstance(outcomes.raised(outcomes.describe(KeyboardInterrupt(), 1), tmp_path), KeyboardInterrupt)
    (tmp_path / "rank-1.log").write_text("one\ntwo\r three\n")
    bug = outcomes.raised(outcomes.describe(KeyError("x"), 1), tmp_path)
    assert isinstance(bug, RagcliError)
    assert "rank 1 failed: KeyError: 'x'" in bug.message
    assert "two" in bug.message
    killed = outcomes.raised(outcomes.killed(2, signal.SIGKILL, memory=False), tmp_path)
    assert "rank 2 was killed: SIGKILL" in str(killed)
    assert isinstance(outcomes.raised(outcomes.killed(2, signal.SIGKILL, memory=True), tmp_path), OutOfMemoryError)


def test_out_of_memory_is_known():
    words = "CUDA out of memory. Tried to allocate 2.00 GiB"
    assert outcomes.is_out_of_memory(RuntimeError(words))
    assert outcomes.is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert outcomes.is_out_of_memory(MemoryError())
    assert not outcomes.is_out_of_memory(RuntimeError("size mismatch"))
    assert not outcomes.is_out_of_memory(ModelError(f"the log says: {words}"))


def test_the_cause_is_what_explains_the_others():
    lost = outcomes.describe(RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:1"), 0)
    assert lost.kind == "lost"
    bug = outcomes.describe(KeyError("x"), 3)
    memory = outcomes.describe(RuntimeError("CUDA out of memory."), 2)
    error = outcomes.describe(ModelError("m"), 1)
    dead = outcomes.killed(4, signal.SIGSEGV, memory=False)
    done = Outcome(rank=5, kind="done", at=0.0)
    assert outcomes.cause([lost, bug, memory, error, dead, done]) is error
    assert outcomes.cause([lost, bug, memory, dead]) is memory
    assert outcomes.cause([lost, bug, dead]) is dead
    assert outcomes.cause([lost, bug]) is bug
    assert outcomes.cause([lost]) is lost
    assert outcomes.cause([done]) is None
    assert outcomes.cause([outcomes.describe(SystemExit(0), 0)]) is None


def test_the_network_is_that_of_the_address():
    loopback = interface(NodeSettings())
    assert loopback in {name for _, name in socket.if_nameindex()}
    assert interface(NodeSettings(count=2, address="127.0.0.1", port=1)) == loopback
    assert interface(NodeSettings(count=2, address="no-such-name.invalid", port=1)) is None


def settings(**more) -> Settings:
    values = {"method": "lora", "length": 2048, "micro_batch": 1, "processes": 2, "device": "cuda", **more}
    return Settings(model="m", output="o", **values)


def test_sharding_is_chosen_by_memory():
    model = known("Qwen/Qwen2.5-7B-Instruct")
    needed = estimate(model, Load(task="lora", context=2048, rank=16, gpus=1, sharding="none")).needed
    assert sharding.resolve(settings(), model, [80 * GIB, needed]) == "ddp"
    assert sharding.resolve(settings(), model, [80 * GIB, needed - 1]) == "fsdp"
    assert sharding.resolve(settings(method="full"), model, [80 * GIB] * 2) == "fsdp"
    assert sharding.resolve(settings(sharding="fsdp"), model, [80 * GIB] * 2) == "fsdp"
    assert sharding.resolve(settings(processes=1), model, [1]) == "ddp"


def test_sharding_that_cannot_be():
    with pytest.raises(UsageError, match="there is one"):
        sharding.resolve(settings(processes=1, sharding="fsdp"))
    with pytest.raises(UsageError, match="needs GPUs"):
        sharding.resolve(settings(sharding="zero3", device="cpu"))
    with pytest.raises(UsageError, match="Mac"):
        sharding.resolve(settings(device="mps"))
    from importlib.util import find_spec

    if find_spec("deepspeed") is None:
        with pytest.raises(RagcliError, match="needs DeepSpeed") as caught:
            sharding.resolve(settings(sharding="zero3"))
        assert "fsdp" in (caught.value.hint or "")


def test_quantized_weights_are_stored_as_what_can_be_shared_out():
    assert sharding.quantized_storage("ddp", "bf16") == "uint8"
    assert sharding.quantized_storage("fsdp", "bf16") == "bfloat16"
    assert sharding.quantized_storage("fsdp", "fp32") == "float32"


# ------------------------------------------------------------ the examples of docs/finetune-many

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "finetune-many"


def test_the_example_for_slurm_gives_each_machine_its_place(tmp_path: Path):
    """SLURM's own programs are stood in for by two scripts: they give what its manual says they give."""
    programs = {
        "scontrol": "printf 'gpu07\\ngpu08\\n'",
        "srun": 'shift; for n in 0 1; do SLURM_NODEID=$n "$@"; done',
        "ragcli": 'echo "$NNODES $NODE_RANK $MASTER_ADDR $MASTER_PORT $*"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    values = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "4321"}
    values |= {"BASE": "b", "DATA": "d 1.jsonl", "OUT": str(tmp_path / "out"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = EXAMPLES / "slurm.sbatch"
    done = subprocess.run(["bash", str(script)], env=values, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "out.records.jsonl").read_text().splitlines()
    assert len(said) == 2
    for rank, line in enumerate(said):
        count, number, address, port, *rest = line.split(" ", 4)
        found = NodeSettings.from_environment(
            {"NNODES": count, "NODE_RANK": number, "MASTER_ADDR": address, "MASTER_PORT": port}
        )
        assert (found.count, found.rank, found.address, found.port) == (2, rank, "gpu07", 24321)
        assert rest == [f"finetune -m b --data d 1.jsonl -o {tmp_path / 'out'} --gpus auto"]


def test_the_example_for_kubernetes_is_of_one_piece():
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {one["name"]: one.get("value") for one in container["env"]}
    found = NodeSettings.from_environment({**given, "NODE_RANK": "1"})
    assert found.count == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert found.address == f"{job['metadata']['name']}-0.{pod['subdomain']}"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert service["spec"]["ports"][0]["port"] == container["ports"][0]["containerPort"] == found.port
    assert job["spec"]["completionMode"] == "Indexed"
