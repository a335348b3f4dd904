"""Several processes as one run: who writes, who fails, who is killed, who stops; in real processes."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("trl")

HARNESS = Path(__file__).with_name("finetune_harness.py")


def environment(**more: str) -> dict[str, str]:
    """The environment without what says that there are several machines or processes."""
    names = ("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK")
    kept = {key: value for key, value in os.environ.items() if key not in names and not key.startswith("RAGCLI_")}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def start(spec: dict, *, prefix: tuple[str, ...] = (), **more: str) -> subprocess.Popen[bytes]:
    """Start the harness in a session of its own."""
    command = [*prefix, sys.executable, str(HARNESS), json.dumps(spec)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(**more), start_new_session=True
    )


def finish(process: subprocess.Popen[bytes], seconds: float = 120) -> tuple[int, str, str]:
    """Wait for the end; return code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            child.kill()
        out, err = process.communicate()
        pytest.fail(f"it did not end within {seconds} s:\n{out.decode()}\n{err.decode()}")
    return process.returncode, out.decode(), err.decode()


def wait_for(*paths: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < end, f"not there after {seconds} s: {paths}"
        time.sleep(0.1)


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.1)
    return not alive(pids)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator:
    """Start a run that works until it is stopped; yield it with the processes that train."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(**more) -> tuple[subprocess.Popen[bytes], list[int]]:
        process = start({"entry": "wait", "work": str(tmp_path), "processes": 2, **more})
        begun.append(process)
        ready = [tmp_path / f"ready-{rank}" for rank in range(2)]
        wait_for(*ready)
        return process, [int(path.read_text()) for path in ready]

    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_only_the_first_writes_on_stdout_and_all_agree(tmp_path: Path):
    code, out, err = finish(start({"entry": "say", "work": str(tmp_path), "processes": 2}))
    assert code == 0, err
    lines = out.splitlines()
    assert lines[:2] == ["stdout of 0", "bytes of 0"]
    found = json.loads(lines[2].removeprefix("RESULT "))
    assert found == {"world": 2, "rank": 0, "agreed": [False, True], "threads": "1"}
    assert len(lines) == 3
    assert "stderr of 0" in err
    assert "of 1" not in err
    log = (tmp_path / "logs" / "rank-1.log").read_text()
    assert "stdout of 1" in log
    assert "bytes of 1" in log
    assert "stderr of 1" in log


def test_an_error_of_all_is_said_once_with_its_class(tmp_path: Path):
    spec = {"entry": "fail", "how": "model", "ranks": [0, 1], "work": str(tmp_path), "processes": 2}
    code, out, err = finish(start(spec))
    assert (code, out) == (1, "")
    assert err == "ModelError: the model has no head 头.\n  hint: Take another.\n"


def test_a_killed_process_ends_the_run(waiting):
    process, pids = waiting()
    began = time.monotonic()
    os.kill(pids[1], signal.SIGKILL)
    code, out, err = finish(process, 60)
    assert time.monotonic() - began < 60
    assert (code, out) == (1, "")
    assert err.startswith("RagcliError: rank 1 was killed: SIGKILL")
    assert "Traceback" not in err
    assert gone(pids)


@pytest.mark.parametrize("group", [False, True], ids=["to the launcher", "to the terminal's group"])
def test_ctrl_c_lets_all_save_at_the_same_step(waiting, tmp_path: Path, group: bool):
    process, pids = waiting(saving=1.0)
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    code, out, err = finish(process, 60)
    assert (code, out) == (130, ""), err
    saved = [(tmp_path / f"saved-{rank}").read_text().split() for rank in range(2)]
    assert saved[0][0] == saved[1][0]
    assert {one[1] for one in saved} <= {"0", "1"}  # no process got a second signal
    assert gone(pids)


# ------------------------------------------------------------ slower


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("how", "expected", "words"),
    [
        ("input", 1, "InputError: train.jsonl:12: no assistant turn.\n"),
        ("memory", 1, "OutOfMemoryError: rank {rank} is out of memory: "),
        ("bug", 1, "RagcliError: rank {rank} failed: KeyError: 'no_such_key'\n"),
        ("exit", 3, ""),
        ("silent", 1, "RagcliError: rank {rank} ended without a word"),
        ("kill", 1, "RagcliError: rank {rank} was killed: SIGKILL"),
    ],
)
def test_what_ends_one_is_what_is_said(tmp_path: Path, how: str, expected: int, words: str, rank: int):
    spec = {"entry": "fail", "how": how, "ranks": [rank], "work": str(tmp_path), "processes": 2}
    began = time.monotonic()
    code, out, err = finish(start(spec), 90)
    assert time.monotonic() - began < 75
    assert (code, out) == (expected, ""), err
    assert err.startswith(words.format(rank=rank))
    if how == "bug":
        assert 'raise KeyError("no_such_key")' in err
    assert gone([int(path.read_text()) for path in (tmp_path / "logs").glob("*.pid")])


@pytest.mark.slow
def test_a_single_process_apart_stands_alone(tmp_path: Path):
    code, out, err = finish(start({"entry": "say", "work": str(tmp_path), "processes": 1, "apart": True}))
    assert code == 0, err
    assert json.loads(out.splitlines()[-1].removeprefix("RESULT "))["world"] == 1
    spec = {"entry": "fail", "how": "kill", "work": str(tmp_path), "processes": 1, "apart": True}
    code, out, err = finish(start(spec))
    assert code == 1
    assert "the training process was killed: SIGKILL" in err


@pytest.mark.slow
def test_those_that_do_not_save_in_time_are_killed(waiting):
    process, pids = waiting(deaf=True, grace=3.0)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process, 30)
    assert code == 130
    assert "rank 0, 1 did not end within 3 s" in err
    assert gone(pids)


@pytest.mark.slow
def test_a_second_ctrl_c_kills(waiting):
    process, pids = waiting(deaf=True, grace=300.0)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    code, _, _ = finish(process, 20)
    assert code == 130
    assert gone(pids)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(waiting, tmp_path: Path):
    process, pids = waiting()
    os.kill(pids[1], signal.SIGTERM)
    code, _, err = finish(process, 30)
    assert code == 130, err
    assert (tmp_path / "saved-0").read_text().split()[0] == (tmp_path / "saved-1").read_text().split()[0]
    assert gone(pids)


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True])
def test_a_launcher_that_is_killed_leaves_nobody(waiting, tmp_path: Path, deaf: bool):
    process, pids = waiting(deaf=deaf, grace=5.0)
    process.kill()
    process.communicate()
    assert gone(pids, 20)
    assert deaf or (tmp_path / "saved-0").exists()


@pytest.mark.slow
def test_under_torchrun_it_takes_part(tmp_path: Path):
    import finetune_harness as harness

    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--rdzv-backend=c10d")
    command = [sys.executable, *torchrun, "--rdzv-endpoint=127.0.0.1:0", harness.__file__]
    spec = {"entry": "say", "work": str(tmp_path), "processes": "auto"}
    done = subprocess.run([*command, json.dumps(spec)], capture_output=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[:2] == ["stdout of 0", "bytes of 0"]
    assert json.loads(lines[2].removeprefix("RESULT "))["world"] == 2
    assert len(lines) == 3
    done = subprocess.run(
        [*command, json.dumps({**spec, "processes": 3})], capture_output=True, env=environment(), timeout=120
    )
    assert done.returncode == 1
    assert b"torchrun has started 2 processes" in done.stderr


def test_fewer_processes_than_asked_is_an_error():
    script = "from ragcli.finetuning import ranks; ranks.begin(2, 'cpu')"
    more = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment(**more), timeout=60)
    assert b"ModelError: 2 processes were to train together, and there is 1." in done.stderr


# ------------------------------------------------------------ several machines


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def machines(port: int, rank: int, count: int = 2, seconds: float = 6, address: str = "127.0.0.1") -> dict[str, str]:
    return {
        "NNODES": str(count), "NODE_RANK": str(rank), "MASTER_ADDR": address, "MASTER_PORT": str(port),
        "RAGCLI_RENDEZVOUS_TIMEOUT": str(seconds),
    }  # fmt: skip


def fails_within(spec: dict, seconds: float, **more: str) -> str:
    began = time.monotonic()
    code, out, err = finish(start(spec, **more), 60)
    assert time.monotonic() - began < seconds + 25  # importing torch on a busy machine
    assert out == ""
    assert code in (1, 2)
    assert "Traceback" not in err
    return err


def test_a_rendezvous_that_fails_says_why(tmp_path: Path):
    spec = {"entry": "say", "work": str(tmp_path), "processes": 1}
    port = free_port()
    err = fails_within(spec, 6, **machines(port, 1))
    assert f"did not find the one with NODE_RANK=0 within 6 s: 127.0.0.1:{port}: Connection refused." in err
    err = fails_within(spec, 6, **machines(port, 0))
    assert "1 of 2 machines came within 6 s; not the one with NODE_RANK 1." in err


@pytest.mark.slow
def test_other_ways_in_which_a_rendezvous_fails(tmp_path: Path):
    spec = {"entry": "say", "work": str(tmp_path), "processes": 1}
    err = fails_within(spec, 6, **machines(29500, 1, address="no-such-name.invalid"))
    assert "the name 'no-such-name.invalid' (MASTER_ADDR) does not resolve" in err
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    err = fails_within(spec, 6, **machines(server.server_port, 1))
    assert "is no run of ragcli" in err
    err = fails_within(spec, 6, **machines(server.server_port, 0))
    assert f"port {server.server_port} of this machine" in err
    server.shutdown()
    server.server_close()
    with socket.socket() as mute:  # it takes connections and never says a word
        mute.bind(("127.0.0.1", 0))
        mute.listen(16)
        err = fails_within(spec, 6, **machines(mute.getsockname()[1], 1))
        assert "is no run of ragcli" in err


@pytest.mark.slow
def test_machines_that_were_asked_for_different_things(tmp_path: Path):
    for more, words in (
        ({"processes": 2}, "Give the same --gpus on all machines."),
        ({"agreement": "b"}, "has other settings, data or another version"),
    ):
        port = free_port()
        spec = {"entry": "say", "processes": 1, "agreement": "a"}
        first = start({**spec, "work": str(tmp_path / "0")}, **machines(port, 0, seconds=30))
        second = start({**spec, "work": str(tmp_path / "1"), **more}, **machines(port, 1, seconds=30))
        for process in (first, second):
            code, _, err = finish(process, 60)
            assert code == 2
            assert words in err
    port = free_port()
    both = [
        start(
            {"entry": "say", "work": str(tmp_path / n), "processes": 1}, **machines(port, 0 if n == "0" else 1, 3, 15)
        )
        for n in ("0", "1", "2")
    ]  # two say that they are number 1
    said = [finish(process, 60) for process in both]
    assert all(code != 0 for code, _, _ in said)
    assert sum("two machines have NODE_RANK=1" in err for _, _, err in said) == 1


@pytest.mark.slow
def test_two_launchers_are_one_run_and_fail_as_one(tmp_path: Path):
    def both(spec: dict) -> list[tuple[int, str, str]]:
        port = free_port()
        begun = [
            start({**spec, "work": str(tmp_path / str(rank)), "processes": 2}, **machines(port, rank, seconds=60))
            for rank in range(2)
        ]
        return [finish(process, 120) for process in begun]

    first, second = both({"entry": "say"})
    assert first[0] == second[0] == 0, (first, second)
    assert json.loads(first[1].splitlines()[-1].removeprefix("RESULT "))["world"] == 4
    assert "stdout of" not in second[1]
    for rank in (1, 3):
        for how, words in (("model", "ModelError: the model has no head"), ("kill", f"rank {rank} was killed")):
            for code, _, err in both({"entry": "fail", "how": how, "ranks": [rank]}):
                assert code == 1
                assert words in err


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_machine_that_is_lost_ends_the_run_on_the_other(tmp_path: Path, lost: int):
    port = free_port()
    begun, pids = [], []
    for rank in range(2):
        work = tmp_path / str(rank)
        work.mkdir()
        spec = {"entry": "wait", "work": str(work), "processes": 1, "deaf": True, "grace": 5.0}
        begun.append(start(spec, **machines(port, rank, seconds=60)))
    for rank in range(2):
        wait_for(tmp_path / str(rank) / f"ready-{rank}")
        pids.append(int((tmp_path / str(rank) / f"ready-{rank}").read_text()))
    began = time.monotonic()
    begun[lost].kill()
    os.kill(pids[lost], signal.SIGKILL)
    code, _, err = finish(begun[1 - lost], 60)
    assert time.monotonic() - began < 60
    assert code == 1
    assert "lost the connection" in err or f"machine {lost}" in err
    begun[lost].communicate()
    assert gone(pids)


@pytest.mark.slow
def test_ctrl_c_on_one_machine_stops_both(tmp_path: Path):
    port = free_port()
    begun = []
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
        spec = {"entry": "wait", "work": str(tmp_path / str(rank)), "processes": 1}
        begun.append(start(spec, **machines(port, rank, seconds=60)))
    wait_for(*[tmp_path / str(rank) / f"ready-{rank}" for rank in range(2)])
    begun[1].send_signal(signal.SIGINT)
    for process in begun:
        assert finish(process, 60)[0] == 130
    saved = {(tmp_path / str(rank) / f"saved-{rank}").read_text().split()[0] for rank in range(2)}
    assert len(saved) == 1
