"""``download`` where it is easy to lose something: user's folders, two at once, odd hubs, damage, removal."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import lines
from hub_server import Fault, Handler, HuggingFaceHandler, ModelScopeHandler, Repo
from hubs import FILES, NAME, RANDOM, WANTED, WEIGHTS, Hubs, content, size, wanted

# ---------------------------------------------------------------- what is the user's


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_removing_a_folder_of_the_user_removes_what_was_brought_and_nothing_else(hubs: Hubs, source: str) -> None:
    home = hubs.folder / "home" / "user"
    (home / "work").mkdir(parents=True)
    (home / "thesis.txt").write_text("years of work")
    folder = home / "work" / "model"
    hubs.record(NAME, "--source", source, "--local-dir", folder)
    (folder / "mine.txt").write_text("mine")
    (folder / "config.json").write_text("{}")
    (record,) = lines(hubs("--remove", NAME, "--local-dir", folder).stdout.encode())
    assert record["freed"] == size(wanted()) - len(FILES["config.json"])
    assert content(folder) == {"mine.txt": b"mine", "config.json": b"{}"}
    assert (home / "thesis.txt").exists()
    assert not [one for one in folder.iterdir() if one.name.startswith(".ragcli")]
    hubs.record(NAME, "--source", source, "--local-dir", home / "other")
    assert hubs("--remove", NAME, "--local-dir", home / "other").returncode == 0
    assert not (home / "other").exists()
    assert hubs("--remove", NAME, "--local-dir", home).returncode == 1
    assert (home / "thesis.txt").exists()


def test_a_folder_of_the_user_shares_no_file_with_the_cache(hubs: Hubs) -> None:
    cached = Path(hubs.record(NAME, "--source", "hf")["path"])
    record = hubs.record(NAME, "--source", "hf", "--local-dir", "mine")
    assert record["fetched"] == 0  # copied
    with (hubs.folder / "mine" / "tokenizer.json").open("r+b") as stream:
        stream.write(b"changed in place")
    assert content(cached) == wanted()


def test_an_older_copy_of_the_user_is_kept(hubs: Hubs) -> None:
    mine = hubs.folder / "mine"
    mine.mkdir()
    (mine / "config.json").write_text("own")
    (mine / "config.json.orig").write_text("older")
    hubs.record(NAME, "--source", "hf", "--local-dir", "mine")
    kept = {path: data for path, data in content(mine).items() if ".orig" in path}
    assert kept == {"config.json.orig": b"older", "config.json.orig.1": b"own"}


def test_models_side_by_side_in_one_folder(hubs: Hubs) -> None:
    for name in ("o/A-GGUF", "o/B-GGUF"):
        short = name[2].lower()
        hubs.hf.repos[name] = Repo({f"{short}-q4_k_m.gguf": RANDOM.randbytes(70_000), "README.md": name.encode()})
    hubs.record("o/A-GGUF", "--source", "hf", "--include", "*.gguf", "--local-dir", "ggufs")
    hubs.record("o/B-GGUF", "--source", "hf", "--include", "*.gguf", "--local-dir", "ggufs")
    assert set(content(hubs.folder / "ggufs")) == {"a-q4_k_m.gguf", "b-q4_k_m.gguf"}
    hubs.record(NAME, "--source", "hf", "--local-dir", "one")
    hubs.hf.repos["o/C"] = Repo({**FILES, "config.json": b'{"other": 1}'})
    done = hubs("o/C", "--source", "hf", "--local-dir", "one")
    assert done.returncode == 1
    assert f"holds the config.json of another model, {NAME}" in done.stderr
    assert content(hubs.folder / "one") == wanted()


@pytest.mark.parametrize("place", [["--local-dir", "mine"], ["--source", "modelscope"]])
def test_another_choice_of_files_after_a_new_commit_keeps_the_first(hubs: Hubs, place: list[str]) -> None:
    files = {f"a-{kind}.gguf": RANDOM.randbytes(70_000) for kind in ("q4", "q8")}
    hubs.ms.repos["o/A"] = hubs.hf.repos["o/A"] = Repo({**files, "README.md": b"1"})
    first = hubs.record("o/A", *place, "--include", "*q4.gguf")
    hubs.ms.repos["o/A"].files["README.md"] = b"2"
    second = hubs.record("o/A", *place, "--include", "*q8.gguf")
    assert first["path"] == second["path"]
    assert content(second["path"]) == files


# ---------------------------------------------------------------- two at once, half and damaged contents


@pytest.mark.parametrize("second", [["--source", "modelscope"], ["--source", "hf", "--local-dir", "mine"]])
def test_downloads_to_different_places_at_once_leave_each_other_alone(hubs: Hubs, second: list[str]) -> None:
    hubs.hf.faults = [Fault("data:*", times=1, rate=1.5e6)]
    one = hubs.start(NAME, "--source", "hf")
    while hubs.hf.sent < 800_000:
        time.sleep(0.01)
    other = hubs.record(NAME, *second)
    out, err = one.communicate(timeout=60)
    assert one.returncode == 0, err
    for record in (json.loads(out), other):
        assert content(record["path"]) == wanted()


def test_damaged_contents_are_not_taken_over(hubs: Hubs) -> None:
    path = Path(hubs.record(NAME, "--source", "hf")["path"])
    blob = (path / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[5] ^= 1
    blob.write_bytes(data)
    for more in (["--local-dir", "mine"], ["--cache-dir", "other"]):
        record = hubs.record(NAME, "--source", "modelscope", *more)
        assert content(record["path"]) == wanted()
    record = hubs.record(NAME, "--source", "modelscope")
    assert content(record["path"]) == wanted()
    assert record["fetched"] == len(WEIGHTS)


def test_damage_in_a_cache_that_the_client_made_is_found_noted_and_mended(hubs: Hubs) -> None:
    code = f"from huggingface_hub import snapshot_download as s; print(s({NAME!r}))"
    done = subprocess.run([sys.executable, "-c", code], env=hubs.environment(), capture_output=True, text=True)
    path = Path(done.stdout.strip())
    (record,) = lines(hubs("--verify", NAME).stdout.encode())
    assert record["verified"] is True
    for name in ("model.safetensors", "config.json"):
        blob = (path / name).resolve()
        data = bytearray(blob.read_bytes())
        data[3] ^= 1
        blob.write_bytes(data)
    bad = hubs("--verify", NAME)
    assert bad.returncode == 4
    (record,) = lines(bad.stdout.encode())
    assert (record["verified"], record["whole"]) == (False, False)
    assert sorted(record["damaged"]) == ["config.json", "model.safetensors"]
    mended = hubs.record(NAME, "--source", "hf")
    assert mended["fetched"] == len(WEIGHTS) + len(FILES["config.json"])
    assert hubs("--verify", NAME).returncode == 0


def test_what_cannot_be_checked_does_not_hide_the_rest(hubs: Hubs) -> None:
    fetch = f"from modelscope_hub import HubApi; print(HubApi().download_repo({NAME!r}, 'model'))"
    subprocess.run([sys.executable, "-c", fetch], env=hubs.environment(), capture_output=True, check=True)
    hubs.record(NAME, "--source", "hf")
    done = hubs("--verify")
    assert done.returncode == 3
    assert [(one["source"], one["verified"]) for one in lines(done.stdout.encode())] == [
        ("hf", True),
        ("modelscope", None),
    ]
    assert "does not say what its files should be" in done.stderr


def test_some_of_the_files_are_not_the_model(hubs: Hubs) -> None:
    part = hubs.record(NAME, "--source", "hf", "--include", "config.json")
    assert set(content(part["path"])) == {"config.json"}
    (listed,) = lines(hubs("--list").stdout.encode())
    assert listed["whole"] is False
    assert "only some of its files were downloaded, and not model.safetensors" in listed["fault"]
    for more in ([], ["--all"], ["--include", "*.safetensors"]):
        done = hubs(NAME, "--offline", *more)
        assert done.returncode == 1, more
    assert hubs(NAME, "--offline", "--include", "config.json").returncode == 1  # not a model either
    hubs.record(NAME, "--source", "hf")
    assert hubs(NAME, "--offline").returncode == 0
    assert hubs(NAME, "--offline", "--all").returncode == 1
    assert "only in part" in hubs(NAME, "--offline", "--all").stderr
    assert lines(hubs(NAME, "--offline", "--dry-run").stdout.encode())[0]["dry_run"] is True


def test_another_choice_leaves_what_is_half_there(hubs: Hubs) -> None:
    files = {"a-q4.gguf": RANDOM.randbytes(100_000), "a-q8.gguf": RANDOM.randbytes(3_000_000)}
    hubs.hf.repos["o/A"] = Repo(files)
    hubs.hf.faults = [Fault("data:*", times=1, rate=1.5e6)]
    running = hubs.start("o/A", "--source", "hf", "--include", "*q8*")
    while hubs.hf.sent < 1_500_000:
        time.sleep(0.01)
    running.kill()
    running.communicate()
    hubs.record("o/A", "--source", "hf", "--include", "*q4*")
    record = hubs.record("o/A", "--source", "hf", "--include", "*q8*")
    assert record["fetched"] < 2_000_000
    assert content(record["path"]) == files


def test_the_other_hub_goes_on_where_the_owner_has_another_name(hubs: Hubs) -> None:
    hubs.hf.repos["internlm/tiny"] = Repo(dict(FILES))
    hubs.ms.repos["Shanghai_AI_Laboratory/tiny"] = Repo(dict(FILES))
    tokenizer = hashlib.sha256(FILES["tokenizer.json"]).hexdigest()
    hubs.hf.faults = [Fault(f"data:*{tokenizer}*", times=99, status=404)]
    hubs.ms.faults = [Fault("data:*", rate=1e6)]  # where both are alike, a busy machine decides which one is first
    record = hubs.record("internlm/tiny", "--max-workers", "1")  # the weights come first
    assert record["source"] == "modelscope"
    assert content(record["path"]) == wanted()
    assert record["fetched"] <= size(wanted()) - len(WEIGHTS)


def test_equal_contents_where_links_cannot_be_made(hubs: Hubs) -> None:
    files = {
        "a/__init__.py": b"",
        "b/__init__.py": b"",
        "a.json": b"{}",
        "b.json": b"{}",
        "model.safetensors": b"w" * 10,
    }
    hubs.hf.repos["o/A"] = Repo(files)
    site = hubs.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(  # as on Windows without the right to make links
        "import os\ndef no(*a, **k):\n    raise OSError(1, 'Operation not permitted')\nos.symlink = no\n"
    )
    for _ in range(2):
        record = hubs.record("o/A", "--source", "hf", PYTHONPATH=str(site))
        assert content(record["path"]) == files
    assert record["fetched"] == 0
    (listed,) = lines(hubs("--list").stdout.encode())
    assert listed["whole"] is True


def test_a_cache_that_cannot_be_written_serves_what_it_holds(hubs: Hubs) -> None:
    mount = hubs.folder / "hf"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        code = f"from huggingface_hub import snapshot_download as s; print(s({NAME!r}))"
        done = subprocess.run([sys.executable, "-c", code], env=hubs.environment(), capture_output=True, text=True)
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        for source in ("hf", "auto"):
            record = hubs.record(NAME, "--source", source)
            assert (record["path"], record["fetched"]) == (done.stdout.strip(), 0)
    finally:
        subprocess.run(["umount", "-l", mount], check=False)


def test_a_model_that_is_being_downloaded_is_not_removed(hubs: Hubs) -> None:
    hubs.record(NAME, "--source", "hf")
    repo = hubs.hf.repos[NAME]
    repo.files = {**repo.files, "model.safetensors": RANDOM.randbytes(3_000_000)}
    hubs.hf.faults = [Fault("data:*", times=1, rate=1.5e6)]
    before = hubs.hf.sent
    running = hubs.start(NAME, "--source", "hf")
    while hubs.hf.sent < before + 500_000:
        time.sleep(0.01)
    done = hubs("--remove", NAME)
    assert done.returncode == 1
    assert "is being downloaded" in done.stderr
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert content(json.loads(out)["path"])["model.safetensors"] == repo.files["model.safetensors"]


# ---------------------------------------------------------------- odd hubs


class NoSizes(ModelScopeHandler):
    """A ModelScope that tells neither sizes nor hashes."""

    @staticmethod
    def entry(repo: Repo, commit: str, files: dict[str, bytes], path: str) -> dict:
        value = ModelScopeHandler.entry(repo, commit, files, path)
        return {key: one for key, one in value.items() if key not in ("Size", "Sha256")}


class Evil(ModelScopeHandler):
    """A ModelScope whose hashes are paths."""

    @staticmethod
    def entry(repo: Repo, commit: str, files: dict[str, bytes], path: str) -> dict:
        return {**ModelScopeHandler.entry(repo, commit, files, path), "Sha256": "/etc/passwd"}


class Page(HuggingFaceHandler):
    """A page to log in to the network, whatever is asked."""

    def route(self, path: str, query: dict[str, str]) -> None:
        body = b"<html>please log in</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def become(hubs: Hubs, kind: type[Handler], name: str = "ms") -> None:
    """Have a hub answer in another way."""
    hub = getattr(hubs, name)
    for server in (hub.api, hub.data):
        role = server.RequestHandlerClass.role

        class Bound(kind):
            pass

        Bound.hub, Bound.role = hub, role
        server.RequestHandlerClass = Bound


def test_a_listing_without_sizes_and_hashes(hubs: Hubs) -> None:
    become(hubs, NoSizes)
    record = hubs.record(NAME, "--source", "modelscope")
    assert content(record["path"]) == wanted()
    assert record["bytes"] == size(wanted())
    repo = hubs.ms.repos[NAME]
    repo.files = {**repo.files, "config.json": FILES["config.json"].replace(b"8", b"9")}  # of the same size
    again = hubs.record(NAME, "--source", "modelscope")
    assert content(again["path"])["config.json"] == repo.files["config.json"]
    done = hubs("--verify", NAME)
    assert done.returncode == 3  # there is nothing to compare with
    assert lines(done.stdout.encode())[0]["verified"] is None


def test_hashes_that_are_paths_are_no_hashes(hubs: Hubs) -> None:
    become(hubs, Evil)
    assert content(hubs.record(NAME, "--source", "modelscope")["path"]) == wanted()
    odd = {".ragcli.incomplete": b"x", ".cache/huggingface/.gitignore": b"*", "config.json": b"{}"}
    hubs.hf.repos["evil/model"] = Repo({**odd, "model.safetensors": b"y"})
    record = hubs.record("evil/model", "--source", "hf", "--all")  # names that are the clients' and ragcli's own
    assert set(content(record["path"])) == {"config.json", "model.safetensors"}
    for path in (".", "a/../../b"):
        hubs.hf.repos["evil/model"] = Repo({path: b"x", "config.json": b"{}"})
        done = hubs("evil/model", "--source", "hf", "--cache-dir", "x")
        assert done.returncode == 1
        assert f"names a file that no model's folder can hold: {path!r}" in done.stderr


def test_a_page_in_place_of_a_hub(hubs: Hubs) -> None:
    become(hubs, Page, "hf")
    alone = hubs(NAME, "--source", "hf")
    assert alone.returncode == 1
    assert "does not answer as a hub does for the listing of Qwen/Tiny" in alone.stderr
    assert "Traceback" not in alone.stderr
    assert hubs.record(NAME)["source"] == "modelscope"
    become(hubs, Page, "ms")
    assert "does not answer as a hub does" in hubs(NAME, "--source", "modelscope", "--cache-dir", "x").stderr


def test_a_hub_that_has_other_files_does_not_end_the_others_chance(hubs: Hubs) -> None:
    hubs.ms.repos[NAME].files["tiny-q4.gguf"] = RANDOM.randbytes(70_000)
    record = hubs.record(NAME, "--include", "*q4.gguf")
    assert record["source"] == "modelscope"
    hubs.hf.repos["o/G"] = Repo({"a-q4.gguf": b"1", "a-q8.gguf": b"2"})
    done = hubs("o/G", NAME, "--source", "hf")
    assert done.returncode == 3
    assert "2 models in GGUF form" in done.stderr
    assert [one["id"] for one in lines(done.stdout.encode())] == [NAME]


@pytest.mark.parametrize("fault", [{"status": 429, "after": "1"}, {"status": 503}])
@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_a_busy_listing_is_asked_again(hubs: Hubs, source: str, fault: dict) -> None:
    hub = hubs.hf if source == "hf" else hubs.ms
    hub.faults = [Fault("api:/api/*", **fault)]
    assert hubs.record(NAME, "--source", source)["files"] == len(WANTED)
    assert not hub.faults[0].times


def test_a_branch_with_a_slash(hubs: Hubs) -> None:
    for source, hub in (("modelscope", hubs.ms), ("hf", hubs.hf)):
        repo = hub.repos[NAME]
        repo.old["0123456789abcdef0123456789abcdef01234567"] = {**FILES, "config.json": b"{}"}
        repo.refs["feature/x"] = "0123456789abcdef0123456789abcdef01234567"
        record = hubs.record(NAME, "--source", source, "--revision", "feature/x")
        assert content(record["path"])["config.json"] == b"{}"
        off = hubs(NAME, "--source", source, "--offline", "--revision", "feature/x")
        assert json.loads(off.stdout)["path"] == record["path"]
    listed = lines(hubs("--list").stdout.encode())
    assert all(one["whole"] for one in listed)
    assert len(listed) == 2


def test_many_small_files_take_no_time_that_grows_with_their_square(hubs: Hubs) -> None:
    files = {f"part/{n}.json": f"[{n}]".encode() for n in range(1500)} | {"model.safetensors": b"w" * 10}
    hubs.hf.repos["o/many"] = Repo(files)
    record = hubs.record("o/many", "--source", "hf", "--max-workers", "16")
    assert record["files"] == 1501
    plan = hubs.record("o/many", "--source", "hf", "--dry-run")
    assert plan["to_fetch"] == 0
    assert plan["seconds"] < 5


def test_upper_case_hashes_are_hashes(hubs: Hubs) -> None:
    class Upper(ModelScopeHandler):
        @staticmethod
        def entry(repo: Repo, commit: str, files: dict[str, bytes], path: str) -> dict:
            value = ModelScopeHandler.entry(repo, commit, files, path)
            return {**value, "Sha256": value["Sha256"].upper()}

    become(hubs, Upper)
    assert content(hubs.record(NAME, "--source", "modelscope")["path"]) == wanted()
    assert os.listdir(hubs.folder / "ms" / "models")  # noqa: PTH208


# ---------------------------------------------------------------- a second round


def test_a_changed_file_is_kept_after_a_check_that_calls_it_damaged(hubs: Hubs) -> None:
    folder = hubs.folder / "mine"
    hubs.record(NAME, "--source", "hf", "--local-dir", folder)
    (folder / "config.json").write_text("mine")
    assert hubs("--verify", NAME, "--local-dir", folder).returncode == 4
    hubs.record(NAME, "--source", "hf", "--local-dir", folder)
    assert content(folder) == wanted() | {"config.json.orig": b"mine"}
    (folder / "tokenizer.json").write_text("mine, too")
    assert hubs("--verify", NAME, "--local-dir", folder).returncode == 4
    assert hubs("--remove", NAME, "--local-dir", folder).returncode == 0
    assert content(folder) == {"config.json.orig": b"mine", "tokenizer.json": b"mine, too"}


def test_a_manifest_that_came_with_a_folder_leads_nowhere_else(hubs: Hubs) -> None:
    folder = hubs.folder / "x" / "d"
    folder.mkdir(parents=True)
    (hubs.folder / "secret").write_text("mine")
    stat = (hubs.folder / "secret").stat()
    entry = {"size": 4, "time": stat.st_mtime_ns}
    page = {"id": NAME, "repository": NAME, "source": "hf", "name": "main", "revision": "x"}
    (folder / ".ragcli.json").write_text(json.dumps({**page, "files": {"../../secret": entry}}))
    hubs.record(NAME, "--source", "hf", "--local-dir", folder)
    assert hubs("--remove", NAME, "--local-dir", folder).returncode == 0
    assert (hubs.folder / "secret").read_text() == "mine"


def test_a_folder_of_the_user_that_looks_like_a_cache_keeps_what_is_the_users(hubs: Hubs) -> None:
    folder = hubs.folder / "models" / "models" / "Qwen" / "Tiny"
    hubs.record(NAME, "--source", "hf", "--local-dir", folder)
    (folder / "notes.txt").write_text("mine")
    hubs("--remove", NAME, "--cache-dir", hubs.folder / "models")
    assert content(folder) == {"notes.txt": b"mine"}
    (folder / "config.json").write_text("{}")  # and one that no tool of ours made
    done = hubs("--remove", NAME, "--cache-dir", hubs.folder / "models")
    assert done.returncode == 1
    assert set(content(folder)) == {"notes.txt", "config.json"}


def test_what_is_known_to_be_damaged_is_not_used_by_the_next_commit(hubs: Hubs) -> None:
    path = Path(hubs.record(NAME, "--source", "hf")["path"])
    blob = (path / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[7] ^= 1
    blob.write_bytes(data)
    assert hubs("--verify", NAME).returncode == 4
    repo = hubs.hf.repos[NAME]
    repo.files = {**repo.files, "README.md": b"new"}
    record = hubs.record(NAME, "--source", "hf")
    assert content(record["path"]) == wanted(repo.files)
    assert hubs("--verify", NAME).returncode == 0  # both commits: they share the content
    assert all(one["whole"] for one in lines(hubs("--list").stdout.encode()))


def test_a_folder_of_another_model_is_not_this_one(hubs: Hubs) -> None:
    hubs.record(NAME, "--source", "hf", "--local-dir", "d")
    for more in (["--offline"], ["--verify"], ["--remove"]):
        done = hubs("Other/Model", "--local-dir", "d", *more)
        assert done.returncode == 1
        assert f"holds another model, {NAME}" in done.stderr
    done = hubs(NAME, "--local-dir", "d", "--offline", "--revision", "v9")
    assert "not at v9" in done.stderr
    assert content(hubs.folder / "d") == wanted()


def test_files_of_two_commits_are_no_model(hubs: Hubs) -> None:
    hubs.record(NAME, "--source", "modelscope")
    repo = hubs.ms.repos[NAME]
    repo.files = {**repo.files, "config.json": b'{"new": 1}', "model.safetensors": WEIGHTS[::-1]}
    hubs.record(NAME, "--source", "modelscope", "--include", "*.json")
    (listed,) = lines(hubs("--list").stdout.encode())
    assert listed["fault"] == "model.safetensors is of an older commit than the rest"
    assert content(hubs.record(NAME, "--source", "modelscope")["path"]) == wanted(repo.files)
    assert lines(hubs("--list").stdout.encode())[0]["whole"] is True


def test_half_of_the_shards_or_no_tokenizer_is_no_model(hubs: Hubs) -> None:
    shards = {f"model-0000{n}-of-00002.safetensors": RANDOM.randbytes(1000) for n in (1, 2)}
    hubs.hf.repos["o/S"] = Repo({"config.json": b"{}", **shards})
    hubs.record("o/S", "--source", "hf", "--include", "config.json", "--include", "model-00001*")
    hubs.record(NAME, "--source", "hf", "--include", "config.json", "--include", "*.safetensors")
    faults = [one["fault"] for one in lines(hubs("--list").stdout.encode())]
    assert faults == [
        f"only some of its files were downloaded, and not {name}"
        for name in ("tokenizer.json", "model-00002-of-00002.safetensors")
    ]
    folder = hubs.folder / "plain"  # as another tool left it
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"x")
    done = hubs.command("split", "--unit", "tokens", "-m", folder)
    assert "model-00002-of-00002.safetensors is missing" in done.stderr


def test_a_kill_just_before_the_end_costs_nothing(hubs: Hubs) -> None:
    site = hubs.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def end(name, args):\n"
        "    if name == 'open' and '.ragcli.json.' in str(args[0]):\n"
        "        os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(end)\n"
    )
    for source in ("modelscope", "hf"):
        cache = ["--source", source, "--cache-dir", source]
        assert hubs(NAME, *cache, PYTHONPATH=str(site)).returncode == -9
        assert hubs(NAME, *cache, "--offline").returncode == 1
        record = hubs.record(NAME, *cache)
        assert (record["fetched"], content(record["path"])) == (0, wanted())


def test_an_older_folder_of_modelscope_is_not_removed_under_a_download(hubs: Hubs) -> None:
    older = hubs.folder / "ms" / "models" / "Qwen" / "Tiny"
    older.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        (older / name).write_bytes(FILES[name])
    (older / ".msc").write_bytes(b"")
    hubs.ms.faults = [Fault("data:*", times=1, rate=1.5e6)]
    running = hubs.start(NAME, "--source", "modelscope")
    while hubs.ms.sent < 300_000:
        time.sleep(0.01)
    done = hubs("--remove", NAME, "--source", "modelscope")
    assert "is being downloaded" in done.stderr
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert json.loads(out)["path"] == str(older)
    assert {path: data for path, data in content(older).items() if path != ".msc"} == wanted()
