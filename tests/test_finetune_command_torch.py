"""The whole command in other circumstances: under torchrun, on two machines, into a pipe that closes, with a probe."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("trl")

from conftest import RAGCLI, environment, jsonl, lines, run
from test_finetune_runs_torch import FAST, ONE, base, data, finetune, losses, of_type, rows  # noqa: F401
from tiny_models import tiny_bert

HERE = ("--max-steps", "6", "--save-steps", "3")


def test_a_pipe_that_closes_stops_the_run_and_loses_nothing(base, data, tmp_path):  # noqa: F811
    common = ("-m", base, "--data", data, *FAST, "--max-steps", "400", "--save-steps", "400")
    command = " ".join([str(RAGCLI), "finetune", *map(str, common), "-o", str(tmp_path / "out")])
    script = f"{command} | head -5 > {tmp_path}/head; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(**ONE), timeout=120)
    assert done.stdout.decode().split() == ["141"], done.stderr.decode()
    assert not done.stderr, done.stderr.decode()
    assert not (tmp_path / "out" / "finetune.json").exists()
    (kept,) = (tmp_path / "out").glob(".finetune/checkpoints/checkpoint-*")
    step = int(kept.name.removeprefix("checkpoint-"))
    assert 3 <= step < 400
    last = finetune(*common[:-4], "--max-steps", "400", "--save-steps", "400", "-o", tmp_path / "out")
    assert last.returncode == 0, last.stderr.decode()
    assert of_type(last.stdout, "resumed")[0]["step"] == step and min(losses(last.stdout)) == step + 1


def test_a_finished_run_with_bad_rows_says_so_again(base, tmp_path):  # noqa: F811
    broken = tmp_path / "rows.jsonl"
    broken.write_bytes(rows(8) + b"{}\n")
    for _ in range(2):
        done = finetune(
            "-m", base, "--data", broken, "-o", tmp_path / "out", *FAST, "--max-steps", "2", "--skip-bad",
        )  # fmt: skip
        assert done.returncode == 3, done.stderr.decode()
        last = lines(done.stdout)[-1]
        assert last["bad_rows"] == 1 and last["seconds"] > 0
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| time of the steps |" in card
    assert next(line for line in card.splitlines() if "rows.jsonl`" in line and line.startswith("|")).count("| 8 |")


def test_noise_on_embeddings_changes_what_is_learnt(base, data, tmp_path):  # noqa: F811
    seen = []
    for name, more in (("plain", ()), ("noise", ("--neftune", "5"))):
        done = finetune("-m", base, "--data", data, *FAST, "--max-steps", "4", "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr.decode()
        seen.append(losses(done.stdout))
    assert seen[0] != seen[1]
    assert all(abs(seen[0][step] - seen[1][step]) < 0.5 for step in seen[0])


def test_four_bits_on_the_processor(base, data, tmp_path):  # noqa: F811
    pytest.importorskip("bitsandbytes")
    done = finetune("-m", base, "--data", data, *FAST[:-3], "--no-guard", "--device", "cpu", "--method", "qlora",
                    "--max-steps", "6", "--lr", "0.01", "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert of_type(done.stdout, "plan")[0]["method"] == "qlora"
    found = losses(done.stdout)
    assert found[6] < found[1]
    assert lines(done.stdout)[-1]["form"] == "adapter" and (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_retrieval_is_probed_before_and_after(kb, tmp_path):
    """With a random encoder retrieval is poor before, and the record tells both figures, the table's own left alone."""
    pytest.importorskip("sentence_transformers")
    encoder = tiny_bert(tmp_path / "encoder")
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(jsonl(*({"query": f"第{n}题：{n}+1?", "positive": f"{n}+1={n + 1}。"} for n in range(32))))
    before = run("query", "-d", kb, "-t", "kb", "手机的保修期是多久？").stdout
    done = finetune("-m", encoder, "--data", pairs, "-o", tmp_path / "out", "--device", "cpu", "--max-steps", "2",
                    "--batch", "8", "-d", kb, "--probe", "kb")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    (verdict,) = of_type(done.stdout, "guard")
    probed = [one for one in verdict["findings"] if "probe" in one["measure"]]
    assert probed and all(0 <= one["before"] <= 1 and 0 <= one["after"] <= 1 for one in probed)
    assert run("query", "-d", kb, "-t", "kb", "手机的保修期是多久？").stdout == before


@pytest.mark.slow
def test_under_torchrun_the_command_takes_part(base, data, tmp_path):  # noqa: F811
    common = ("-m", base, "--data", data, *FAST, *HERE)
    alone = finetune(*common, "-o", tmp_path / "one", "--micro-batch", "4")
    assert alone.returncode == 0, alone.stderr.decode()
    expected = losses(alone.stdout)

    def torchrun(*more: str) -> bytes:
        options = ("--nproc-per-node=2", "--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0")
        command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "ragcli", "finetune"]
        args = (*common, "-o", tmp_path / "two", "--micro-batch", "2", *more)
        done = subprocess.run(
            [*command, *map(str, args)], capture_output=True, env=environment(**ONE), timeout=200
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    assert [one["type"] for one in lines(torchrun("--dry-run"))] == ["statistics", "plan"]
    for more in ((), ("--overwrite",)):
        records = torchrun(*more)
        assert of_type(records, "plan")[0]["processes"] == 2
        found = losses(records)
        assert expected.keys() == found.keys()
        assert all(abs(expected[step] - found[step]) < 1e-3 for step in expected)
        assert len(of_type(records, "finetuned")) == 1
        assert (tmp_path / "two" / "adapter_model.safetensors").is_file()
        assert not (tmp_path / "two" / ".finetune").exists()
    assert [one["type"] for one in lines(torchrun())] == ["finetuned"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_machines_of_a_network_of_their_own(base, data, namespaces, tmp_path, kind):  # noqa: F811
    common = ("-m", base, "--data", data, *FAST, *HERE)
    alone = finetune(*common, "-o", tmp_path / "one", "--micro-batch", "4")
    assert alone.returncode == 0, alone.stderr.decode()
    begun = []
    for rank, name in enumerate(namespaces):
        values = {"NNODES": "2", "NODE_RANK": str(rank), "MASTER_ADDR": "10.99.0.1", "MASTER_PORT": "29518"}
        command = ["ip", "netns", "exec", name, str(RAGCLI), "finetune", *map(str, common), "--micro-batch", "2"]
        begun.append(
            subprocess.Popen(
                [*command, "-o", str(tmp_path / "two"), "--sharding", kind],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**ONE, **values),
            )
        )  # fmt: skip
    ended = [(*process.communicate(timeout=200), process.returncode) for process in begun]
    assert [code for _, _, code in ended] == [0, 0], [err.decode() for _, err, _ in ended]
    assert not ended[1][0]
    expected, found = losses(alone.stdout), losses(ended[0][0])
    assert expected.keys() == found.keys()
    assert all(abs(expected[step] - found[step]) < 1e-3 for step in expected)
    assert json.loads((tmp_path / "two" / "finetune.json").read_bytes())["settings"]["sharding"] == kind
