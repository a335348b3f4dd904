"""Names to folders, and the built-in model: unpacked once, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import ModelError
from ragcli.models import resolve
from ragcli.models.builtin import ID, weights
from ragcli.models.e5 import PackedModel

RESOLVE = "from ragcli.models import resolve; print(resolve().hash)"
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))  # as a full disk: a file cannot grow
from ragcli.errors import ModelError
from ragcli.models import resolve
try:
    resolve()
except ModelError as error:
    print(error.message, error.hint)
"""


def python(code: str, cache: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "RAGCLI_CACHE": str(cache)}
    return subprocess.Popen([sys.executable, "-c", code], env=env, text=True, stdout=-1, stderr=-1)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_two_processes_unpack_at_once_a_damaged_folder_is_made_anew_and_old_leftovers_go(tmp_path: Path) -> None:
    left = tmp_path / "models" / ".unpacking-old"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    os.utime(left, (0, 0))
    running = [python(RESOLVE, tmp_path) for _ in range(2)]
    answers = [one.communicate() for one in running]
    assert [one.returncode for one in running] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    (folder,) = (tmp_path / "models").iterdir()  # no temporary one is left
    manifest = json.loads((folder / "ragcli.json").read_text())
    assert manifest["id"] == ID
    assert {"model.safetensors", "tokenizer.json", "onnx/model_int8.onnx"} <= set(manifest["files"])

    before = (folder / "ragcli.json").read_bytes()
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.truncate(1000)
    again = python(RESOLVE, tmp_path)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert out == answers[0][0]
    assert "model.safetensors is damaged" in err
    assert (folder / "ragcli.json").read_bytes() == before


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    running = python(LIMITED, tmp_path)
    out, err = running.communicate()
    assert running.returncode == 0, err
    assert out.startswith("cannot unpack the built-in model into")
    assert "RAGCLI_CACHE" in out
    assert list((tmp_path / "models").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = python(RESOLVE, tmp_path / "file")
    _, err = done.communicate()
    assert "ModelError: cannot unpack the built-in model into" in err


def test_the_folder_holds_the_packed_weights() -> None:
    from safetensors.numpy import load_file

    tensors = load_file(resolve().path / "model.safetensors")
    packed = PackedModel(weights())
    raw = packed.matrix("l3.fo.w", 384)
    assert raw.shape == (384, 1536)
    np.testing.assert_allclose(tensors["encoder.layer.3.output.dense.weight"], raw, atol=1e-3)
    # One value by hand: block 5 of row 7 of the words, value 17 is the high nibble of byte 1.
    _, offset, _ = packed._tensors["emb.word"]
    block = weights().read_bytes()[offset + (7 * 12 + 5) * 18 :][:18]
    scale = float(np.frombuffer(block[:2], np.float16)[0])
    value = ((block[2 + 1] >> 4) - 8) * scale
    assert tensors["embeddings.word_embeddings.weight"][7, 5 * 32 + 17] == pytest.approx(value, rel=1e-3)


def test_a_wrong_file_of_weights_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(weights().read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"e5-small-q4\.bin is not laid out as expected"):
        PackedModel(path)


def test_a_folder_is_known_by_its_content(tiny: Path, tmp_path: Path) -> None:
    first = resolve(str(tiny))
    assert (first.id, first.path) == (str(tiny), tiny)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert resolve(str(copy)).hash == first.hash
    (tiny / "model.safetensors").write_bytes(b"WEIGHTS")
    assert resolve(str(tiny)).hash != first.hash


def test_a_name_is_looked_up_in_the_caches_of_the_hubs(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as caught:
        resolve("some/model")
    assert str(tmp_path / "hf") in caught.value.message
    assert str(tmp_path / "ms") in caught.value.message

    scope = tmp_path / "ms" / "models" / "some" / "model"
    scope.parent.mkdir(parents=True)
    tiny.rename(scope)
    assert resolve("some/model").path == scope

    hub = tmp_path / "hf" / "hub" / "models--some--model"
    snapshot = hub / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("abc\n")
    (snapshot / "config.json").write_text("{}")
    assert resolve("some/model").path == scope  # a download that was killed: there are no weights
    (snapshot / "model.safetensors").write_bytes(b"weights")
    assert resolve("some/model").path == snapshot


@pytest.mark.parametrize("name", ["", "none-such", "a/b/c"])
def test_no_such_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        resolve(name)


def test_resolving_loads_nothing_heavy() -> None:
    resolve()
    code = (
        RESOLVE + "; import sys; print([n for n in ('torch','transformers','onnx','onnxruntime') if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
