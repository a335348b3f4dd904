"""The whole pipe as real processes: from files to answers, and what must not happen on the way."""

from __future__ import annotations

import json
import subprocess

from conftest import RAGCLI, ROOT, environment, jsonl, lines, run


def shell(script: str, cwd=None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=cwd, env=environment(), capture_output=True, timeout=120
    )


def test_answers_cite_their_source_in_both_languages(kb):
    asked = "手机的保修期是多久？\nHow many days of paid leave do employees get?\n谁发明了电话？\n"
    done = run("ask", "-d", kb, "-t", "kb", stdin=asked.encode(), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    chinese, english, none = lines(done.stdout)
    assert "二十四个月" in chinese["answer"]
    assert chinese["citations"][0]["source"] == "examples/售后/保修条款.md"
    assert "28 days" in english["answer"]
    assert english["citations"][0]["source"] == "examples/handbook/leave.md"
    assert none["refused"] is True
    assert none["citations"] == []
    for answer in (chinese, english):
        assert answer["model"] == "extractive"
        for citation in answer["citations"]:
            text = (ROOT / citation["source"]).read_text(encoding="utf-8")
            assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_query_pipes_into_ask(kb):
    done = shell(f"printf '%s\\n' 屏幕总成的配件编号是什么？ | ragcli query -d {kb} -t kb | ragcli ask", ROOT)
    (answer,) = lines(done.stdout)
    assert "SCR-2210" in answer["answer"]


def test_show_prompt_shows_the_sources(kb):
    done = run("ask", "-d", kb, "-t", "kb", "--show-prompt", "手机的保修期是多久？")
    assert "保修条款.md" in done.stdout.decode()
    assert "二十四个月" in done.stdout.decode()


def test_reports_add_up(tmp_path):
    done = shell(
        f"ragcli load {ROOT}/examples --report l | ragcli split --report s | ragcli embed -t kb --report e", tmp_path
    )
    assert done.returncode == 0, done.stderr
    load, split, embed = (json.loads((tmp_path / name).read_bytes())["counts"] for name in "lse")
    assert load["documents"] == split["documents_in"]
    assert split["chunks_out"] == embed["chunks_in"] == embed["chunks_written"]


def test_odd_file_names_come_through(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    names = ["with space.txt", "quote'\".txt", "new\nline.txt", "中文 名.txt"]
    for number, name in enumerate(names):
        (docs / name).write_text(f"The code of file {number} is QX-{number}77.\n")
    done = shell("ragcli load docs | ragcli split | ragcli embed -t kb --prune docs", tmp_path)
    assert done.returncode == 0, done.stderr
    for number, name in enumerate(names):
        (result,) = lines(run("query", "-t", "kb", "-k", "1", f"QX-{number}77", cwd=tmp_path).stdout)
        assert result["hits"][0]["source"] == f"docs/{name}"
    (docs / names[2]).unlink()
    done = shell("ragcli load docs | ragcli split | ragcli embed -t kb --prune docs", tmp_path)
    assert done.returncode == 0
    found = lines(run("query", "-t", "kb", "QX-277", cwd=tmp_path).stdout)[0]["hits"]
    assert {hit["source"] for hit in found} == {f"docs/{name}" for name in names if "\n" not in name}


def test_a_broken_file_does_not_stop_the_rest(tmp_path):
    (tmp_path / "a.txt").write_text("good")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7\nbroken")
    done = run("load", tmp_path)
    assert done.returncode == 3
    assert len(lines(done.stdout)) == 1
    assert b"b.pdf" in done.stderr


def test_a_folder_with_no_readable_file_fails(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    done = run("load", tmp_path)
    assert done.returncode == 1
    assert done.stdout == b""
    assert str(tmp_path).encode() in done.stderr


def test_paths_on_stdin(tmp_path):
    (tmp_path / "a b.txt").write_text("one")
    done = run("load", "-0", "-", stdin=f"{tmp_path}/a b.txt\0".encode())
    assert [document["text"] for document in lines(done.stdout)] == ["one"]


def test_split_refuses_a_wrong_record():
    done = run("split", stdin=jsonl({"type": "chunk", "id": "1"}))
    assert done.returncode == 1
    assert b"line 1" in done.stderr
    assert run("split", stdin=b"").returncode == 0
    document = {"type": "document", "id": "1", "text": "a", "source": "s"}
    bad = jsonl(*[{**document, "id": str(n)} for n in range(16)]) + b"{oops\n" + jsonl(document)
    done = run("split", "--skip-bad", stdin=bad)
    assert done.returncode == 3
    assert b"line 17" in done.stderr
    assert len(lines(done.stdout)) == 17


def test_tokens_are_never_more_than_the_model_reads(tmp_path):
    text = "保修期自购买之日起计算，用户凭发票享受服务。" * 400
    document = jsonl({"type": "document", "id": "1", "text": text, "source": "s"})
    done = run("split", "--unit", "tokens", stdin=document)
    assert done.returncode == 0, done.stderr
    done = run("embed", "-d", tmp_path, "-t", "kb", "--report", tmp_path / "r", stdin=done.stdout)
    assert "chunks_truncated" not in json.loads((tmp_path / "r").read_bytes())["counts"]


def test_the_first_output_comes_before_the_last_input(tmp_path):
    process = subprocess.Popen([RAGCLI, "split"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    with process:
        process.stdin.write(jsonl({"type": "document", "id": "1", "text": "a", "source": "s"}))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "a"
        process.stdin.close()


def test_a_closed_pipe_is_quiet(tmp_path):
    for number in range(300):
        (tmp_path / f"{number}.txt").write_text("x" * 2000)
    done = shell(f"set +o pipefail; ragcli load {tmp_path} | ragcli split | head -1")
    assert len(lines(done.stdout)) == 1
    assert done.stderr == b""


def test_expand_joins_the_neighbours(tmp_path):
    text = "".join(f"Section {n} is about the widget QX-{n}{n}{n}. It has its own words. " for n in range(9))
    (tmp_path / "a.txt").write_text(text)
    done = shell("ragcli load a.txt | ragcli split --size 80 --overlap 20 | ragcli embed -t kb", tmp_path)
    assert done.returncode == 0, done.stderr
    (alone,) = lines(run("query", "-t", "kb", "-k", "1", "QX-444", cwd=tmp_path).stdout)
    (joined,) = lines(run("query", "-t", "kb", "-k", "1", "--expand", "2", "QX-444", cwd=tmp_path).stdout)
    small, large = alone["hits"][0], joined["hits"][0]
    assert large["start"] < small["start"] and small["end"] < large["end"]
    assert large["text"].split() == text[large["start"] : large["end"]].split()


def test_a_table_from_the_environment_leaves_a_pipe_of_results_alone(kb):
    found = run("query", "-d", kb, "-t", "kb", "手机的保修期是多久？")
    done = run("ask", stdin=found.stdout, RAGCLI_TABLE="kb", RAGCLI_DB=str(kb))
    assert "二十四个月" in lines(done.stdout)[0]["answer"]
