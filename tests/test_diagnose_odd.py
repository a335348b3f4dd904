"""diagnose where things are odd: names, parts of files, encodings, rerankers, neighbours; what is advised is run."""

from __future__ import annotations

import json
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

from conftest import environment, jsonl, lines, run
from openai_server import Endpoint, Say
from ragcli.diagnosing.texts import Text
from test_diagnose import diagnosed, shell


def named(made: list[dict]) -> list[tuple[str, str]]:
    return [(one["lost_at"], one["cause"]) for one in made]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with odd names, and files of which a source is a part."""
    from email.message import EmailMessage
    from zipfile import ZipFile

    folder = tmp_path_factory.mktemp("odd")
    (folder / "my docs").mkdir()
    (folder / "my docs" / "it's C#.txt").write_text("The epsilon café opens at eight.")
    (folder / "my docs" / "中文 文件.txt").write_text("七号楼的大门是红色的。")
    (folder / "-dash.txt").write_text("The zeta hall is empty.")
    rows = [{"id": "A", "text": "The alpha gate opens at seven."}, {"id": "B", "text": "The beta gate opens at nine."}]
    (folder / "rows.jsonl").write_bytes(jsonl(*rows))
    with ZipFile(folder / "pack.zip", "w") as pack:
        pack.writestr("in/m.txt", "The theta tower is of wood.")
    mail = EmailMessage()
    mail["Subject"] = "hello"
    mail.set_content("The iota bridge is closed.")
    mail.add_attachment(b"The kappa street is long.", maintype="text", subtype="plain", filename="at.txt")
    (folder / "m.eml").write_bytes(bytes(mail))
    shell(folder, "ragcli load 'my docs' ./-dash.txt rows.jsonl pack.zip m.eml | ragcli split | ragcli embed -q -t kb")
    return folder


def case(source: str | None, answer: str) -> dict:
    return {"id": f"{source} {answer}", "question": "When does the gate open?", "answers": [answer], "source": source}


def test_a_part_of_a_file_is_read_again_as_itself(odd):
    """A row is not another row of its file, a mail is not its attachment, a # may be part of a name."""
    cases = [
        case("rows.jsonl#A", "at noon"),
        case("rows.jsonl#B", "at seven") | {"question": "What is the tower made of?"},
        case("m.eml", "street is long"),
        case("it's C#.txt", "at eleven"),
        case("pack.zip", "of stone"),
        case("rows.jsonl", "。。"),
    ]
    made, _ = diagnosed(odd, cases, "-t", "kb")
    assert named(made) == [("gold", "not_in_source")] * 5 + [("gold", "no_words")]
    assert "rows.jsonl#A" in made[1]["says"]
    assert "m.eml#at.txt" in made[2]["says"]
    assert "my docs/it's C#.txt was read again" in made[3]["says"]
    assert "pack.zip#in/m.txt was read again" in made[4]["says"]


def test_what_is_advised_can_be_typed_and_mends(odd, tmp_path):
    """Each file has changed since it was indexed; the command that is advised brings the change into the table."""
    copy = tmp_path / "other folder"
    subprocess.run(["cp", "-r", str(odd), str(copy)], check=True)
    (copy / "my docs" / "it's C#.txt").write_text("The epsilon café opens at noon.")
    (copy / "my docs" / "中文 文件.txt").write_text("七号楼的大门是深蓝色的。")
    (copy / "-dash.txt").write_text("The zeta hall is crowded.")
    (copy / "rows.jsonl").write_bytes(jsonl({"id": "B", "text": "The beta gate opens at midnight."}))
    cases = [
        case("my docs/it's C#.txt", "at noon"),
        case("中文 文件.txt", "深蓝色"),
        case("-dash.txt", "is crowded"),
        case("rows.jsonl#B", "at midnight"),
    ]
    for number, (where, args) in enumerate([(copy, ()), (tmp_path, ("--root", "other folder", "-d", "my db"))]):
        if number:
            subprocess.run(["cp", "-r", str(odd / ".ragcli"), str(tmp_path / "my db")], check=True)
        made, _ = diagnosed(where, cases, "-t", "kb", *args)
        assert named(made) == [("loaded", "stale")] * 4
        for one in made[number * 3 :]:
            shell(where, one["advice"][0]["command"])
        again, _ = diagnosed(where, cases, "-t", "kb", *args)
        assert {one["steps"]["loaded"]["status"] for one in again[number * 3 :]} == {"ok"}


def test_another_table_is_made_like_this_one(tmp_path):
    """The advice to cut in another way names the model, the headings, and all the files."""
    (tmp_path / "a b").mkdir()
    for number in range(3):
        words = " ".join(f"word{number}x{n}" for n in range(40))
        (tmp_path / "a b" / f"{number}.md").write_text(f"# Title\n\n{words}\n")
    shell(tmp_path, "ragcli load 'a b' | ragcli split --size 60 | ragcli embed -q --headings -t kb")
    answer = " ".join(f"word1x{n}" for n in range(3, 14))
    (made,), whole = diagnosed(tmp_path, [case("a b/1.md", answer)], "-t", "kb")
    assert (made["lost_at"], made["cause"]) == ("split", "cut")
    (advice,) = [one for one in whole["advice"] if one["what"].startswith("cut with")]
    assert "--headings" in advice["command"]
    shell(tmp_path, advice["command"])
    again, _ = diagnosed(tmp_path, [case("a b/1.md", answer)], "-t", "kb2")
    assert again[0]["steps"]["split"]["status"] == "ok"
    done = run("query", "-t", "kb2", "-k", "100", "word0x1", "word2x1", cwd=tmp_path)
    assert {hit["source"] for one in lines(done.stdout) for hit in one["hits"]} == {f"a b/{n}.md" for n in range(3)}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of short texts that are much alike."""
    folder = tmp_path_factory.mktemp("many")
    shapes = ["圆", "方", "长", "短", "红", "蓝", "绿", "白", "新", "旧", "高", "低"]
    rows = [
        {"id": f"{n}", "text": f"编号{n}的仓库：{shapes[n % 12]}形大门，第{n * 7 % 50}排，钥匙在{n * 37}号柜。"}
        for n in range(140)
    ]
    (folder / "w.jsonl").write_bytes(jsonl(*rows))
    shell(folder, "ragcli load w.jsonl | ragcli split | ragcli embed -q -t kb")
    return folder


@cache
def asked(folder: Path, command: str, question: str) -> list[dict]:
    words = shlex.split(command)
    assert words[:2] == ["ragcli", "ask"]
    done = run("query", *words[2:], question, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return lines(done.stdout)[0]["hits"]


@pytest.mark.parametrize(
    "options",
    [
        ["--mode", "vector", "-k", "1"],
        ["--where", "source LIKE 'w.jsonl#1%'", "-k", "1"],
        ["--rerank", "MODEL", "--mode", "text", "-k", "3"],
    ],
)
@pytest.mark.slow
def test_what_is_advised_asks_as_was_asked(many, tmp_path, options):
    """Number of hits, mode and reranker: a search with the options that are advised finds the answer, as is said."""
    if "MODEL" in options:
        pytest.importorskip("sentence_transformers")
        from test_reranking import save

        model = str(save(tmp_path / "a model", 1))
        options = [model if one == "MODEL" else one for one in options]
    reranked = "--rerank" in options  # each run takes seconds to import torch
    cases = [
        {
            "id": f"{n}",
            "question": "仓库的大门在第几排？钥匙在哪里？",
            "answers": [f"{n * 37}号柜"],
            "source": f"w.jsonl#{n}",
        }
        for n in range(100, 130, 4)
    ]
    cases = cases[:2] if reranked else cases
    made, whole = diagnosed(many, cases, "-t", "kb", *options)
    advised = 0
    for one in made:
        for advice in one["advice"]:
            if advice["what"].startswith(("take ", "search ", "leave ")):
                hits = asked(many, advice["command"], one["question"])
                ranks = [hit["rank"] for hit in hits if hit["source"] == one["source"]]
                assert ranks, advice
                assert advice["tried"].get("rank", ranks[0]) == ranks[0]
                advised += 1
    assert advised >= (1 if reranked else 3)
    for advice in whole["advice"][: 1 if reranked else None]:
        if (advice["tried"] or {}).get("measured") == "retrieved":
            found = {hit["source"] for hit in asked(many, advice["command"], cases[0]["question"])}
            assert sum(one["source"] in found for one in cases) == advice["tried"]["after"]


def test_neighbours_that_are_joined_are_not_a_cut(tmp_path):
    """With --expand, an answer that two chunks share comes whole before the model."""
    words = " ".join(f"step{n}" for n in range(30))
    (tmp_path / "a.txt").write_text(f"How does the valve open? {words}")
    shell(tmp_path, "ragcli load a.txt | ragcli split --size 60 | ragcli embed -q -t kb")
    given = {"question": "How does the valve open?", "answers": [" ".join(f"step{n}" for n in range(3, 12))]}
    with Endpoint(lambda body, number: Say(["It opens by hand [1]."])) as endpoint:
        made, _ = diagnosed(tmp_path, [given], "-t", "kb", "-m", "openai:x", **endpoint.environment())
        more = ("-k", "1", "--expand", "2")
        joined, _ = diagnosed(tmp_path, [given], "-t", "kb", "-m", "openai:x", *more, **endpoint.environment())
    assert named(made) == [("split", "cut")]
    assert named(joined) == [("answered", "wrong_answer")]
    assert joined[0]["steps"]["split"]["status"] == "warn"


def test_a_refusal_whose_words_hold_the_answer_is_not_right(tmp_path):
    (tmp_path / "a.txt").write_text("七号楼没有电梯，住户走楼梯。")
    shell(tmp_path, "ragcli load a.txt | ragcli split | ragcli embed -q -t kb")
    given = {"question": "七号楼有电梯吗？", "answers": ["没有"], "source": "a.txt"}
    with Endpoint(lambda body, number: Say(["资料中没有提到。"])) as endpoint:
        made, whole = diagnosed(tmp_path, [given], "-t", "kb", "-m", "openai:x", **endpoint.environment())
    assert made[0]["refused"] is True
    assert named(made) == [("answered", "wrong_answer")]
    assert whole["right"] == 0


def test_where_no_answer_comes_the_steps_before_are_told(tmp_path):
    (tmp_path / "a.txt").write_text("The pump is blue.")
    shell(tmp_path, "ragcli load a.txt | ragcli split | ragcli embed -q -t kb")
    cases = [case("a.txt", "of gold"), {"question": "Which colour is the pump?", "answers": ["blue"]}]

    def say(body: dict, number: int) -> tuple:
        return 400, {"error": {"message": "content filter"}}, {}

    with Endpoint(say) as endpoint:
        made, _ = diagnosed(tmp_path, cases, "-t", "kb", "-m", "openai:x", code=3, **endpoint.environment())
    assert named(made) == [("gold", "not_in_source"), ("answered", "failed")]


def test_what_the_loader_leaves_out_is_told_of_english_too(tmp_path):
    (tmp_path / "a.html").write_text("<p>The pump is blue.</p><!-- It was built by Meyer. -->")
    shell(tmp_path, "ragcli load a.html | ragcli split | ragcli embed -q -t kb")
    made, _ = diagnosed(tmp_path, [case("a.html", "built by Meyer"), case("a.html", "uilt by Mey")], "-t", "kb")
    assert named(made) == [("loaded", "left_out"), ("gold", "not_in_source")]


@pytest.mark.parametrize(
    ("answer", "written", "read"),
    [
        ("公司总部设在杭州市滨江区", "utf-8", "gb18030"),
        ("公司总部设在杭州市滨江区", "utf-8", "cp437"),
        ("公司总部设在杭州市滨江区", "gb18030", "cp1252"),
        ("Müller in Zürich", "cp1252", "gb18030"),
        ("Müller in Zürich", "cp1252", "utf-8"),
        ("Müller in Zürich", "utf-8", "mac_roman"),
    ],
)
def test_what_was_read_in_a_wrong_encoding_is_known(answer, written, read):
    text = Text(f"，{answer}。".replace("，", ", ").replace("。", ". ").encode(written).decode(read, "replace"))
    near = text.near([answer])
    assert near is not None
    assert near.kind == "mojibake"


@pytest.mark.parametrize(
    "text",
    [
        "Þórður Ægisson á Öræfum ætíð fær góðan mat á íslensku.",
        "Les élèves ont déjà mangé à l’école près de Zürich.",
        "鋪瀬涓流鏡花水月，古籍裡的罕見字。",
        "Đường Nguyễn Huệ ở Sài Gòn rất đẹp.",
    ],
)
def test_other_languages_are_not_garbled(text):
    for answer in ("公司总部设在杭州", "Müller in Zürich", "保修期三年", "24个月"):
        near = Text(text).near([answer])
        assert near is None or near.kind != "mojibake"


def test_a_page_that_cannot_be_written_is_said_at_once(many):
    given = json.dumps({"question": "a", "answers": ["b"]}).encode()
    done = subprocess.run(
        ["ragcli", "diagnose", "-t", "kb", "--html", "/", "-"],
        input=given, cwd=many, env=environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == b""
