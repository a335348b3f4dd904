"""embed and query as processes: the table as a contract, and what must not happen to it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time

import pytest

from conftest import RAGCLI, chunk, environment, jsonl, lines, run

TEXTS = ["手机的保修期为二十四个月。", "Employees get 28 days of paid leave.", "配件编号 PPR-9087，见第三十六条。"]


def chunks(count: int, *, source: str = "a.txt", first: int = 0) -> bytes:
    return jsonl(*(chunk(n, f"{TEXTS[n % 3]} ({n})", source=source) for n in range(first, first + count)))


def ids(db) -> list[str]:
    import lance

    return lance.dataset(f"{db}/kb.lance").to_table(columns=["id"])["id"].to_pylist()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    db = tmp_path_factory.mktemp("small")
    done = run("embed", "-d", db, "-t", "kb", stdin=chunks(3))
    assert done.returncode == 0, done.stderr.decode()
    return db


def test_embedding_again_changes_nothing(small, tmp_path):
    before = sorted(path.name for path in (small / "kb.lance" / "data").iterdir())
    done = run("embed", "-d", small, "-t", "kb", "--report", tmp_path / "r.json", stdin=chunks(3))
    assert done.returncode == 0
    counts = json.loads((tmp_path / "r.json").read_bytes())["counts"]
    assert counts == {"chunks_in": 3, "chunks_unchanged": 3}
    assert sorted(path.name for path in (small / "kb.lance" / "data").iterdir()) == before


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
@pytest.mark.parametrize(
    ("question", "found"), [("手机保修多久？", 0), ("How many days of leave?", 1), ("PPR-9087", 2), ("第三十六条", 2)]
)
def test_every_mode_finds_chinese_english_codes_and_articles(small, mode, question, found):
    if mode == "vector" and found == 2:
        pytest.skip("codes are for the full text")
    done = run("query", "-d", small, "-t", "kb", "--mode", mode, "-k", "2", question)
    assert done.returncode == 0, done.stderr.decode()
    (result,) = lines(done.stdout)
    assert result["hits"][0]["id"] == f"chunk-{found}"


def test_lancedb_opens_and_searches_the_table(small):
    lancedb = pytest.importorskip("lancedb")
    table = lancedb.connect(str(small)).open_table("kb")
    assert table.count_rows() == 3
    found = table.search("PPR-9087", query_type="fts").limit(1).to_list()
    assert found[0]["id"] == "chunk-2"


def test_explained_contributions_add_up(small):
    done = run("query", "-d", small, "-t", "kb", "--explain", "手机保修期")
    (result,) = lines(done.stdout)
    assert result["tokens"][0] == "手机"
    for hit in result["hits"]:
        stages = hit["explain"]
        assert set(stages) == {"vector", "text"}
        assert sum(stage["contribution"] for stage in stages.values()) == pytest.approx(hit["score"])


def test_people_see_the_part_of_a_hit_that_speaks_of_the_question(tmp_path):
    long = "开头与问题无关。" * 60 + "主板的配件编号为 PPR-9087。其余从略。"
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=jsonl(chunk(0, long))).returncode == 0
    shown = "".join(run("query", "-d", tmp_path, "-t", "kb", "--format", "table", "PPR-9087").stdout.decode().split())
    assert "…主板的配件编号为PPR-9087。其余从略。" in shown
    assert "开头" not in shown
    other = "".join(run("query", "-d", tmp_path, "-t", "kb", "--format", "table", "xyz").stdout.decode().split())
    assert "开头与问题无关" in other


def test_a_batch_is_answered_in_order_and_no_line_is_missing(small):
    asked = ["PPR-9087", "手机保修多久？", "zzzqqq", "How many days of leave?", "配件", "leave", "月"]
    done = run("query", "-d", small, "-t", "kb", "--mode", "text", stdin="\n".join(asked).encode())
    results = lines(done.stdout)
    assert [result["query"] for result in results] == asked
    assert results[2]["hits"] == []
    single = lines(run("query", "-d", small, "-t", "kb", asked[1]).stdout)[0]
    batch = lines(run("query", "-d", small, "-t", "kb", stdin="\n".join(asked).encode()).stdout)[1]
    assert [hit["id"] for hit in single["hits"]] == [hit["id"] for hit in batch["hits"]]


def test_where_filters_on_metadata(tmp_path):
    data = jsonl(*(chunk(n, TEXTS[n], metadata={"year": 2019 + n, "kind": "a'b"}) for n in range(3)))
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=data).returncode == 0
    done = run("query", "-d", tmp_path, "-t", "kb", "--where", "metadata.year >= 2021", "保修")
    assert [hit["id"] for hit in lines(done.stdout)[0]["hits"]] == ["chunk-2"]
    done = run("query", "-d", tmp_path, "-t", "kb", "--where", "metadata.kind = 'a''b' AND start < 500", "保修")
    assert [hit["id"] for hit in lines(done.stdout)[0]["hits"]] == ["chunk-0"]
    done = run("query", "-d", tmp_path, "-t", "kb", "--where", "nonsense = 1", "保修")
    assert done.returncode == 2
    assert b"nonsense" in done.stderr


def test_trec_names_the_given_id(tmp_path):
    data = jsonl(chunk(0, TEXTS[0], metadata={"id": "D7"}), chunk(1, TEXTS[1]))
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=data).returncode == 0
    done = run("query", "-d", tmp_path, "-t", "kb", "--format", "trec", stdin=b'{"_id":"q1","text":"days of leave"}\n')
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert [row[:4] for row in rows] == [["q1", "Q0", "a.txt", "1"], ["q1", "Q0", "D7", "2"]]


def test_a_missing_table_says_which_there_are(small, tmp_path):
    done = run("query", "-d", small, "-t", "kd", "x")
    assert done.returncode == 1
    assert b"'kd'" in done.stderr
    assert b"there are: kb" in done.stderr
    assert b"holds no tables" in run("query", "-d", tmp_path, "-t", "kb", "x").stderr


def test_kill_in_the_middle_then_again_loses_and_doubles_nothing(tmp_path):
    feed = chunks(1500)
    process = subprocess.Popen(
        [RAGCLI, "embed", "-d", tmp_path, "-t", "kb"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    import threading

    def pour():
        try:
            process.stdin.write(feed)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            process.stdin.close()

    pouring = threading.Thread(target=pour)
    pouring.start()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if list(tmp_path.glob("kb.lance/data/*.lance")):
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    pouring.join()
    there = ids(tmp_path)
    assert len(there) == len(set(there))
    done = run("query", "-d", tmp_path, "-t", "kb", "保修")
    assert done.returncode == 0, done.stderr
    done = run("embed", "-d", tmp_path, "-t", "kb", stdin=feed)
    assert done.returncode == 0, done.stderr
    assert sorted(ids(tmp_path)) == sorted(f"chunk-{n}" for n in range(1500))


def test_two_writers_lose_nothing(tmp_path):
    parts = [chunks(60, source="a.txt"), chunks(60, source="b.txt", first=100)]
    shared = chunks(20, source="c.txt", first=500)
    processes = [
        subprocess.Popen([RAGCLI, "embed", "-d", tmp_path, "-t", "kb"], stdin=subprocess.PIPE, env=environment())
        for _ in parts
    ]
    for process, part in zip(processes, parts, strict=True):
        process.stdin.write(part + shared)
        process.stdin.close()
    assert [process.wait(120) for process in processes] == [0, 0]
    there = ids(tmp_path)
    wanted = [f"chunk-{n}" for n in (*range(60), *range(100, 160), *range(500, 520))]
    assert sorted(there) == sorted(wanted)


def test_interrupt_leaves_a_readable_table(tmp_path):
    process = subprocess.Popen(
        [RAGCLI, "embed", "-d", tmp_path, "-t", "kb"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        # A shell starts what goes on in its background with SIGINT ignored, and these tests may be that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    process.stdin.write(chunks(200))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not (tmp_path / "kb.lance" / "_versions").is_dir() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    with process:
        assert b"Traceback" not in process.stderr.read()
    assert run("query", "-d", tmp_path, "-t", "kb", "保修").returncode == 0


@pytest.mark.parametrize("change", [{"model_hash": 1}, {"dimension": 1}])
def test_another_model_is_refused_and_both_sides_named(tmp_path, change):
    from ragcli.models import resolve

    folder = resolve().path
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    if "dimension" in change:
        config = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps({**config, "hidden_size": 128}))
    else:
        with (other / "tokenizer.json").open("ab") as stream:
            stream.write(b"\n")
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=chunks(2)).returncode == 0
    for command in (["embed"], ["query", "x"]):
        done = run(*command, "-d", tmp_path, "-t", "kb", "-m", other, stdin=chunks(1, first=5))
        assert done.returncode == 1, done.stderr
        assert b"builtin/multilingual-e5-small" in done.stderr
        assert str(other).encode() in done.stderr
    assert len(ids(tmp_path)) == 2


def test_headings_before_the_text_are_part_of_the_contract(tmp_path):
    def embedded(*flags, stdin, table):
        done = run("embed", "-d", tmp_path, "-t", table, *flags, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        import lance

        return lance.dataset(f"{tmp_path}/{table}.lance").to_table(columns=["vector"])["vector"].to_pylist()[0]

    headed = jsonl(chunk(0, "为二十四个月。", title="售后服务", headings=["手机", "保修期"]))
    whole = jsonl(chunk(0, "售后服务\n手机\n保修期\n为二十四个月。"))
    plain, full = embedded(stdin=headed, table="plain"), embedded("--headings", stdin=headed, table="full")
    assert full == embedded(stdin=whole, table="whole")
    assert full != plain == embedded(stdin=jsonl(chunk(0, "为二十四个月。")), table="text")

    # What the table says holds for the next run; another wish is refused, and both sides are named.
    longer = jsonl(chunk(0, "为二十四个月。", title="售后服务", headings=["手机", "保修期"]), chunk(1, "x"))
    assert embedded(stdin=longer, table="full") == full
    done = run("embed", "-d", tmp_path, "-t", "full", "--no-headings", stdin=longer)
    assert done.returncode == 1
    assert b"'full' was made with title and headings before the text, and this run embeds without" in done.stderr
    done = run("embed", "-d", tmp_path, "-t", "plain", stdin=longer, RAGCLI_HEADINGS="1")
    assert done.returncode == 1

    # Vectors that were made the other way are not taken over.
    vectors = run("embed", "--headings", stdin=headed).stdout
    assert lines(vectors)[0]["with_headings"] is True
    assert embedded(stdin=vectors, table="again") == plain
    assert embedded("--headings", stdin=vectors, table="same") == pytest.approx(full)


def test_a_full_disk_is_one_sentence(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True)
    if made.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        done = run("embed", "-d", mount, "-t", "kb", stdin=chunks(300))
        assert done.returncode == 1
        assert b"disk is full" in done.stderr
        assert b"Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_database_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "db").write_text("x")
    for command in ("query", "embed"):
        done = run(command, "-d", tmp_path / "db", "-t", "kb", stdin=chunks(1))
        assert done.returncode == 1
        assert b"is a file" in done.stderr or b"a file stands" in done.stderr


def test_no_permission_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = run("embed", "-d", tmp_path / "file", "-t", "kb", stdin=chunks(1))
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.decode().strip().splitlines()) <= 2


def test_wrong_input_is_one_sentence(tmp_path):
    bad = chunks(16) + b"{broken\n" + chunks(2, first=20)
    done = run("embed", "-d", tmp_path, "-t", "kb", stdin=bad)
    assert done.returncode == 1
    assert b"stdin, line 17" in done.stderr
    assert len(ids(tmp_path)) == 16  # what came before it is kept
    done = run("embed", "-d", tmp_path, "-t", "kb", "--skip-bad", "--report", tmp_path / "r", stdin=bad)
    assert done.returncode == 3
    assert b"line 17" in done.stderr
    assert len(ids(tmp_path)) == 18
    document = jsonl({"type": "document", "id": "1", "text": "x", "source": "a"})
    done = run("embed", "-d", tmp_path, "-t", "kb", stdin=document)
    assert done.returncode == 1
    assert b"ragcli split" in done.stderr or b"ragcli load" in done.stderr


def test_empty_stream_touches_nothing(tmp_path):
    done = run("embed", "-d", tmp_path / "db", "-t", "kb", stdin=b"")
    assert done.returncode == 0
    assert b"no chunks" in done.stderr
    assert not (tmp_path / "db").exists()


def test_odd_texts_are_embedded_and_found(tmp_path):
    texts = ["a\x00b NUL", "half \ud83d surrogate", "مرحبا بالعالم", "👩‍👩‍👧 family", "长" * 1_000_000, "\u2028"]
    data = b"".join(json.dumps(chunk(n, text)).encode() + b"\n" for n, text in enumerate(texts))
    done = run("embed", "-d", tmp_path, "-t", "kb", "--report", tmp_path / "r.json", stdin=data)
    assert done.returncode == 0, done.stderr
    assert len(ids(tmp_path)) == len(texts)
    report = json.loads((tmp_path / "r.json").read_bytes())
    assert report["counts"]["chunks_truncated"] == 1
    assert report["losses"][0]["chunk"] == "chunk-4"
    done = run("query", "-d", tmp_path, "-t", "kb", "-k", "1", "مرحبا")
    assert lines(done.stdout)[0]["hits"][0]["id"] == "chunk-2"


def test_a_question_of_twenty_thousand_characters(small):
    done = run("query", "-d", small, "-t", "kb", "保修期" * 6_667)
    assert done.returncode == 0, done.stderr
    assert b"is longer than the embedding model reads" in done.stderr
    assert lines(done.stdout)[0]["hits"]


def test_vectors_without_a_table_go_to_stdout_and_into_one(tmp_path):
    done = run("embed", stdin=chunks(3))
    vectors = lines(done.stdout)
    assert [len(vector["vector"]) for vector in vectors] == [384] * 3
    assert vectors[0]["type"] == "vector"
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=done.stdout).returncode == 0
    assert len(ids(tmp_path)) == 3


def test_a_closed_pipe_ends_quietly(small):
    script = f"yes 保修 | head -3000 | {RAGCLI} query -d {small} -t kb --mode text | head -1; echo ${{PIPESTATUS[2]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(), timeout=120)
    result, status = done.stdout.splitlines()
    assert json.loads(result)["type"] == "result"
    assert status in (b"0", b"141")
    assert done.stderr == b""


def test_results_before_a_bad_question_are_delivered(small):
    done = run("query", "-d", small, "-t", "kb", "--mode", "text", stdin="手机保修\nleave\n".encode() + b"\xff\xfe\n")
    assert done.returncode == 1
    assert [result["query"] for result in lines(done.stdout)] == ["手机保修", "leave"]
    assert b"line 3" in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"type": []}, b"expected a chunk record"),
        (chunk(0, "x", pages=[3_000_000_000]), b"too large"),
        ({**chunk(0, "x"), "type": "vector", "vector": ["a"], "model": "m"}, b"must hold numbers"),
        ({**chunk(0, "x"), "start": 1 << 62, "end": (1 << 62) + 1}, b"no offsets"),
    ],
)
def test_json_of_the_wrong_kind_names_its_line(tmp_path, line, said):
    good = chunk(1, "good text")
    done = run("embed", "-d", tmp_path, "-t", "kb", "--skip-bad", stdin=jsonl(good, line))
    assert done.returncode == 3, done.stderr.decode()
    assert b"line 2" in done.stderr
    assert said in done.stderr
    assert ids(tmp_path) == ["chunk-1"]


def test_where_reads_strings_and_misspelt_keys(tmp_path):
    rows = [chunk(0, "one", metadata={"t": "the end of war", "flag": True, "year": 2024}), chunk(1, "two words")]
    rows.append(chunk(2, "three words", metadata={"flag": "maybe"}))
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=jsonl(*rows)).returncode == 0

    def found(where):
        done = run("query", "-d", tmp_path, "-t", "kb", "--mode", "vector", "--where", where, "words")
        return done, [hit["id"] for result in lines(done.stdout) for hit in result["hits"]]

    assert found('metadata.t = "the end of war"')[1] == ["chunk-0"]
    assert found("metadata.flag = true")[1] == ["chunk-0"]
    done, hits = found("metadata.yaer >= 2020")
    assert (done.returncode, hits) == (0, [])
    assert b"no row of the table has metadata.yaer" in done.stderr
    done, _ = found("metadata.year >= 2020; drop")
    assert done.returncode == 2
    assert b"';' is no part of a condition" in done.stderr


def test_other_records_are_no_questions(small):
    done = run("query", "-d", small, "-t", "kb", stdin=jsonl({"type": "document", "id": "d", "text": "x"}))
    assert done.returncode == 1
    assert b"expected a question, found a document record" in done.stderr


@pytest.mark.slow
def test_one_question_finds_what_a_batch_finds(tmp_path):
    doubled = [chunk(n, TEXTS[n % 3], source=f"{n}.txt", document_id=str(n)) for n in range(30)]
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=jsonl(*doubled)).returncode == 0
    asked = ["保修", "leave", "PPR-9087", "月", "days", "手机", "配件", "第三十六条", "paid", "期"]
    for mode in ("vector", "hybrid", "text"):
        args = ("query", "-d", tmp_path, "-t", "kb", "--mode", mode, "-k", "4")
        batch = [result["hits"] for result in lines(run(*args, stdin="\n".join(asked).encode()).stdout)]
        for question, hits in list(zip(asked, batch, strict=True))[::3]:
            (alone,) = lines(run(*args, question).stdout)
            assert [hit["id"] for hit in alone["hits"]] == [hit["id"] for hit in hits]
            assert [hit["score"] for hit in alone["hits"]] == pytest.approx([hit["score"] for hit in hits], abs=1e-5)


def test_traditional_and_simplified_find_each_other(tmp_path):
    texts = ["平板电脑的保修期为十八个月。", "耳機的保固期是十二個月。", "与此无关的一段文字。"]
    rows = [chunk(n, text, source=f"{n}.txt", document_id=str(n)) for n, text in enumerate(texts)]
    assert run("embed", "-d", tmp_path, "-t", "kb", stdin=jsonl(*rows)).returncode == 0
    for question, answer in (("平板電腦的保修期是多久？", "十八个月"), ("耳机的保固期是多久？", "十二個月")):
        (result,) = lines(run("query", "-d", tmp_path, "-t", "kb", "--mode", "text", question).stdout)
        assert answer in result["hits"][0]["text"]
        (made,) = lines(run("ask", "-d", tmp_path, "-t", "kb", question).stdout)
        assert answer in made["answer"]


def test_the_bar_knows_how_much_there_is(tmp_path):
    pexpect = pytest.importorskip("pexpect")
    (tmp_path / "c.jsonl").write_bytes(chunks(300))
    command = f"cat '{tmp_path}/c.jsonl' | ragcli embed -d '{tmp_path}/db' -t kb"
    bar = pexpect.spawn("bash", ["-c", command], env=environment(TERM="xterm"), dimensions=(24, 100), timeout=60)
    bar.expect(r"/300.*?\d/s")
    bar.expect("300 written")
    bar.expect(pexpect.EOF)
    # What comes before a bad line is delivered with a bar too.
    (tmp_path / "d.jsonl").write_bytes(chunks(5, first=400) + b"{\n")
    bar = pexpect.spawn("bash", ["-c", command.replace("c.jsonl", "d.jsonl")], env=environment(TERM="xterm"))
    bar.expect("line 6")
    bar.expect(pexpect.EOF)
    assert len(ids(tmp_path / "db")) == 305
