"""``ragcli download`` against the clients' own downloads: seconds, and bytes that are sent again after a kill.

A server on 127.0.0.1 speaks the hubs' protocols (tests/hub_server.py) in a process of its own. Each way brings the same
repository of two files of weights; then each is killed in the middle and started again.

    python benchmarks/download.py [--megabytes 400]

400 MB on 2 cores, beside another run, so that only ratios count (huggingface_hub 2.4.0, modelscope_hub 0.5.1):

    way                 seconds   CPU   MB again after a kill
    ragcli, hf             5.41  1.82                     3.5
    huggingface_hub        6.15  1.76                   200.0
    ragcli, modelscope     3.45  0.88                     1.9
    modelscope_hub         3.35  1.29                     0.0

ragcli compares every byte with the hub's hash, which huggingface_hub does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe, Process
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

NAME = "bench/model"
RAGCLI = str(Path(sys.executable).with_name("ragcli"))
WAYS = {
    "ragcli, hf": [RAGCLI, "download", NAME, "--source", "hf", "-q"],
    "huggingface_hub": [sys.executable, "-c", f"from huggingface_hub import snapshot_download as s; s({NAME!r})"],
    "ragcli, modelscope": [RAGCLI, "download", NAME, "--source", "modelscope", "-q"],
    "modelscope_hub": [
        sys.executable,
        "-c",
        f"from modelscope_hub import HubApi; HubApi().download_repo({NAME!r}, 'model')",
    ],
}


def serve(pipe, size: int) -> None:
    """Serve until told to end; answer with the bytes sent so far."""
    from hub_server import Fault, Hub, HuggingFaceHandler, ModelScopeHandler, Repo

    hubs = [Hub(HuggingFaceHandler), Hub(ModelScopeHandler)]
    rest = random.Random(1)
    weights = {f"model-0000{n}-of-00002.safetensors": rest.randbytes(size // 2) for n in (1, 2)}
    for hub in hubs:
        hub.repos[NAME] = Repo({"config.json": b"{}", **weights})
    pipe.send([hub.url for hub in hubs])
    while (asked := pipe.recv()) is not None:
        if asked == "sent":
            pipe.send(sum(hub.sent for hub in hubs))
        else:
            for hub in hubs:
                hub.faults = [Fault("data:*", times=2, rate=asked)] if asked else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=400)
    size = parser.parse_args().megabytes * 1_000_000
    here, there = Pipe()
    server = Process(target=serve, args=(there, size), daemon=True)
    server.start()
    urls = here.recv()

    def sent() -> int:
        here.send("sent")
        return here.recv()

    for name, command in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            own = {"HF_ENDPOINT": urls[0], "MODELSCOPE_ENDPOINT": urls[1], "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            own |= {
                key: f"{folder}/{key}" for key in ("HF_HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME", "RAGCLI_CACHE")
            }
            env = {**os.environ, **own}
            began, used = time.monotonic(), os.times()
            subprocess.run(command, env=env, check=True, capture_output=True)
            whole, spent = time.monotonic() - began, os.times()
            cpu = spent.children_user + spent.children_system - used.children_user - used.children_system
        with tempfile.TemporaryDirectory() as folder:
            env |= {
                key: f"{folder}/{key}" for key in ("HF_HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME", "RAGCLI_CACHE")
            }
            here.send(size / 4)  # bytes a second for each file, so that there is time to kill
            before = sent()
            running = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while sent() < before + size // 2:
                time.sleep(0.01)
            running.kill()
            running.wait()
            here.send(0)
            subprocess.run(command, env=env, check=True, capture_output=True)
            again = sent() - before - size
        print(
            json.dumps(
                {
                    "way": name,
                    "seconds": round(whole, 2),
                    "cpu": round(cpu, 2),
                    "MB_again_after_kill": round(again / 1e6, 1),
                }
            ),
            flush=True,
        )
    here.send(None)


if __name__ == "__main__":
    main()
