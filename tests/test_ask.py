"""``ragcli ask`` with a language model, as a process, at an endpoint that says what the test wants it to say."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from conftest import DATA, RAGCLI, ROOT, environment, jsonl, lines, run
from openai_server import Endpoint, Say

PHONE = "手机的保修期是多久？"
LEAVE = "How many days of paid leave do employees get?"
NOWHERE = "谁发明了电话？"

Ask = Callable[..., subprocess.CompletedProcess[bytes]]


class Asking:
    """The table ``kb`` and an endpoint; called like `conftest.run`."""

    def __init__(self, kb: Path, script: Any) -> None:
        self.endpoint = Endpoint(script if callable(script) else lambda body, number: script)
        self.kb = kb

    def __call__(self, *args: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
        where = () if "-t" not in args else ("-d", self.kb)
        return run("ask", "-m", "openai:scripted", *where, *args, **self.endpoint.environment(), **more)

    def answer(self, *args: Any, **more: Any) -> dict[str, Any]:
        done = self(*args, **more)
        assert done.returncode == 0, done.stderr.decode()
        (one,) = lines(done.stdout)
        return one

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.endpoint.requests]


@pytest.fixture
def asking(kb: Path) -> Iterator[Callable[[Any], Asking]]:
    opened: list[Asking] = []

    def make(script: Any) -> Asking:
        opened.append(Asking(kb, script))
        return opened[-1]

    yield make
    for one in opened:
        one.endpoint.__exit__()


def number_of(prompt: str, text: str) -> int:
    """The number of the context that holds a text."""
    blocks = re.split(r"^\[(\d+)\] ", prompt, flags=re.MULTILINE)
    return next(int(blocks[at]) for at in range(1, len(blocks), 2) if text in blocks[at + 1])


def citing(sentence: str, text: str) -> Callable[[Any, int], Say]:
    """A model that says a sentence and cites the passage that holds a text."""
    return lambda body, number: Say([sentence, f"[{number_of(body['messages'][-1]['content'], text)}]", "。"])


def test_an_answer_with_its_source(asking: Any) -> None:
    ask = asking(citing("手机的保修期为24个月", "二十四个月"))
    made = ask.answer("-t", "kb", PHONE)
    assert made["model"] == "openai:scripted"
    assert made["refused"] is False
    assert made["problems"] == []  # 24个月 is 二十四个月
    (citation,) = made["citations"]
    assert citation["source"] == "examples/售后/保修条款.md"
    assert "二十四个月" in citation["quote"]
    text = (ROOT / citation["source"]).read_text("utf-8")
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert made["answer"] == f"手机的保修期为24个月[{citation['n']}]。"
    assert made["usage"] == {"prompt_tokens": 1000, "completion_tokens": 5}
    assert made["prompt"]["contexts"] == 5


@pytest.mark.parametrize(
    ("sentence", "kind", "text"),
    [
        ("手机的保修期为36个月", "number", "36个月"),
        ("根据《消费者权益法》，手机的保修期为24个月", "name", "《消费者权益法》"),
        ("条款写着“手机终身保修”", "quotation", "手机终身保修"),
        ("保修期到2031年5月1日为止", "date", "2031年5月1日"),
    ],
)
def test_what_the_cited_text_does_not_say_is_named(asking: Any, sentence: str, kind: str, text: str) -> None:
    ask = asking(citing(sentence, "二十四个月"))
    made = ask.answer("-t", "kb", PHONE)
    problem = next(one for one in made["problems"] if one["kind"] == kind)
    assert text.strip("《》") in problem["text"]
    assert problem["cited"] == [made["citations"][0]["n"]]
    strict = ask("-t", "kb", "--strict", PHONE)
    assert strict.returncode == 4
    assert lines(strict.stdout)[0]["problems"] == made["problems"]
    assert b"--strict" in strict.stderr


def test_a_marker_without_a_source_and_one_at_the_wrong_source(asking: Any) -> None:
    def script(body: Any, number: int) -> Say:
        prompt = body["messages"][-1]["content"]
        right = number_of(prompt, "二十四个月")
        wrong = next(n for n in range(1, 6) if n != right)
        return Say([f"保修期为二十四个月[{wrong}]。以后另议[9]。"])

    made = asking(script).answer("-t", "kb", PHONE)
    kinds = {one["kind"]: one for one in made["problems"]}
    assert kinds["no_such_source"]["n"] == 9
    assert "二十四个月" in kinds["number"]["text"]
    right, (wrong,) = kinds["number"]["found_in"], kinds["number"]["cited"]
    assert right
    assert wrong not in right


def test_every_form_of_marker_is_read(asking: Any) -> None:
    for form, count in (("【1】", 1), ("[1, 2]", 2), ("[1-3]", 3), ("[^1]", 1), ("[来源2]", 1), ("[Source 1]", 1)):
        made = asking(Say([f"手机的保修期见条款{form}。"])).answer("-t", "kb", PHONE)
        found = re.findall(r"\[(\d)\]", made["answer"])
        assert len(found) == count, form
        assert form not in made["answer"]
        assert {str(one["n"]) for one in made["citations"]} == set(found)


def test_an_answer_that_names_no_source_gets_them_and_a_problem(asking: Any) -> None:
    made = asking(Say(["手机的保修期为二十四个月。"])).answer("-t", "kb", PHONE)
    assert [one["kind"] for one in made["problems"]] == ["uncited"]
    (citation,) = made["citations"]
    assert citation["attributed"] is True
    assert "二十四个月" in citation["quote"]


@pytest.mark.parametrize(
    ("question", "said", "text"),
    [
        (PHONE, "抱歉，资料中没有提到保修期。", "文档中没有找到这个问题的答案。"),
        (LEAVE, "I'm sorry, but the sources do not mention paid leave.", "The documents do not answer this question."),
    ],
)
def test_a_model_that_finds_nothing_refuses_in_the_questions_language(
    asking: Any, question: str, said: str, text: str
) -> None:
    made = asking(Say([said])).answer("-t", "kb", question)
    assert (made["refused"], made["answer"], made["citations"]) == (True, text, [])
    assert (made["refused_by"], made["said"]) == ("model", said)


def test_no_model_is_asked_where_the_documents_are_silent(asking: Any) -> None:
    ask = asking(Say(["贝尔[1]。"]))
    made = ask.answer("-t", "kb", NOWHERE)
    assert (made["refused"], made["refused_by"]) == (True, "retrieval")
    assert made["answer"] == "文档中没有找到这个问题的答案。"
    assert ask.endpoint.requests == []


def test_a_question_in_another_language_is_left_to_the_model(asking: Any, tmp_path: Path) -> None:
    hit = {**chunk_of("The warranty of phones is 24 months."), "rank": 1, "score": 1.0}
    result = jsonl({"type": "result", "id": "q", "query": "手机保修多久？", "hits": [hit]})
    ask = asking(Say(["手机保修24个月[1]。"]))
    made = ask.answer(stdin=result)
    assert made["refused"] is False
    assert made["problems"] == []
    assert made["citations"][0]["quote"] == "The warranty of phones is 24 months."


def chunk_of(text: str, source: str = "a.txt", number: int = 0) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "document_id": "d",
        "source": source,
        "text": text,
        "start": 100 * number,
        "end": 100 * number + len(text),
    }


def result_of(query: str, *texts: str, **more: Any) -> bytes:
    hits = [
        {**chunk_of(text, number=number), "rank": number, "score": 1.0 / number} for number, text in enumerate(texts, 1)
    ]
    return jsonl({"type": "result", "id": "q", "query": query, "hits": hits, **more})


INJECTIONS = [json.loads(line)["text"] for line in (DATA / "injections.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("text", INJECTIONS)
def test_text_inside_a_document_is_data(asking: Any, text: str) -> None:
    """What surrounds the passage is the same, whatever the passage says; its own lines stay inside its fence."""
    prompts = []
    for passage in ("The warranty is 24 months.", text):
        ask = asking(Say(["24 months [1]."]))
        ask.answer(stdin=result_of("How long is the warranty?", "The warranty is 24 months.", passage))
        prompts.append(ask.endpoint.requests[0]["messages"])
    harmless, hostile = prompts
    assert harmless[0] == hostile[0]
    (before, after), (_, end) = parts(harmless[1]["content"]), parts(hostile[1]["content"])
    assert parts(hostile[1]["content"])[0] == before
    assert after == end
    assert not re.search(
        r"<\|[^ ]|<｜|\[/?INST\]|<(start|end)_of_turn>|</s>|<tool_call>|<think>", hostile[1]["content"]
    )


def parts(content: str) -> tuple[str, str]:
    """What stands before and after the second passage, fences left out."""
    head, _, rest = content.partition("[2] a.txt\n")
    fence, _, body = rest.partition("\n")
    assert re.fullmatch("`{3,}", fence)
    inner, closing, tail = body.partition(f"\n{fence}\n")
    assert closing
    assert fence not in inner
    return head, tail


def test_a_hostile_document_changes_no_extractive_answer(tmp_path: Path) -> None:
    question = "How long is the warranty of the pump?"
    truth = "The warranty of the pump is 24 months from delivery."
    plain = lines(run("ask", stdin=result_of(question, truth)).stdout)[0]
    for text in INJECTIONS:
        with_it = lines(run("ask", stdin=result_of(question, truth, text)).stdout)[0]
        assert with_it["citations"][0] == plain["citations"][0]
        assert with_it["answer"].startswith(plain["answer"])


def test_batches_keep_their_order_and_run_at_once(asking: Any) -> None:
    def script(body: Any, number: int) -> Say:
        asked = body["messages"][-1]["content"].rpartition("question ")[2]
        return Say([f"pump {asked} [1]."], wait=0.3 if int(asked) % 3 == 0 else 0.02)

    ask = asking(script)
    stdin = b"".join(
        result_of(f"Which pump is meant in question {n}", f"The pump in question {n}.", id=f"q{n}") for n in range(24)
    )
    done = ask("--concurrency", "6", stdin=stdin)
    assert done.returncode == 0, done.stderr
    made = lines(done.stdout)
    assert [one["id"] for one in made] == [f"q{n}" for n in range(24)]
    assert [one["answer"].split()[1] for one in made] == [str(n) for n in range(24)]
    assert 1 < ask.endpoint.most_at_once <= 6


def test_an_answer_comes_before_the_next_question_is_there(asking: Any) -> None:
    ask = asking(Say(["The pump [1]."]))
    with subprocess.Popen(
        [RAGCLI, "ask", "-m", "openai:scripted"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(**ask.endpoint.environment()),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(result_of("Which pump?", "The pump."))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == "q"
        process.stdin.close()
        assert process.wait(20) == 0


def test_one_failure_does_not_end_a_batch(asking: Any) -> None:
    def script(body: Any, number: int) -> Any:
        if "pump 2" in body["messages"][-1]["content"]:
            return 400, {"error": {"message": "this one is cursed"}}, {}
        return Say(["The pump [1]."])

    stdin = b"".join(result_of(f"Which is pump {n}?", f"This is pump {n}.", id=f"q{n}") for n in range(5))
    done = asking(script)(stdin=stdin)
    assert done.returncode == 3
    assert [one["id"] for one in lines(done.stdout)] == ["q0", "q1", "q3", "q4"]
    said = done.stderr.decode()
    assert "q2" in said
    assert "cursed" in said
    alone = asking(script)(stdin=result_of("Which is pump 2?", "This is pump 2."))
    assert alone.returncode == 1
    assert "cursed" in alone.stderr.decode()
    assert alone.stdout == b""


def test_a_wrong_key_ends_a_batch_at_once(asking: Any) -> None:
    ask = asking((401, {"error": {"message": "wrong key"}}, {}))
    stdin = b"".join(result_of(f"Which is pump {n}?", f"This is pump {n}.", id=f"q{n}") for n in range(50))
    done = ask("--concurrency", "2", stdin=stdin)
    assert done.returncode == 1
    assert "wrong key" in done.stderr.decode()
    assert "OPENAI_API_KEY" in done.stderr.decode()
    assert len(ask.endpoint.requests) < 10


def test_resume_leaves_out_what_is_answered(asking: Any, tmp_path: Path) -> None:
    ask = asking(Say(["The pump [1]."]))
    stdin = b"".join(result_of(f"Which is pump {n}?", f"This is pump {n}.", id=f"q{n}") for n in range(6))
    (tmp_path / "in.jsonl").write_bytes(stdin)
    first = ask(stdin=b"".join(stdin.splitlines(keepends=True)[:3])).stdout
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes(first[:-40])  # killed within the third answer
    command = f"{RAGCLI} ask -m openai:scripted --resume answers.jsonl < in.jsonl >> answers.jsonl"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(**ask.endpoint.environment()), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert "half a line" in done.stderr.decode()
    assert [one["id"] for one in lines(answers.read_bytes())] == [f"q{n}" for n in range(6)]
    asked = len(ask.endpoint.requests)
    again = ask("--resume", answers, stdin=stdin)
    assert (again.returncode, again.stdout) == (0, b"")
    assert len(ask.endpoint.requests) == asked
    lost = subprocess.run(
        ["bash", "-c", command.replace(">>", ">")],
        cwd=tmp_path,
        env=environment(**ask.endpoint.environment()),
        capture_output=True,
    )
    assert lost.returncode == 2
    assert b">>" in lost.stderr


def test_answers_become_examples_for_finetuning(asking: Any, tmp_path: Path) -> None:
    ask = asking(lambda body, number: Say(["This is the pump [1]." if number != 1 else "It has 77 valves [1]."]))
    stdin = b"".join(result_of(f"Which is pump {n}?", f"This is pump {n}.", id=f"q{n}") for n in range(3))
    sft = tmp_path / "new" / "sft.jsonl"
    done = ask("--concurrency", "1", "--save-sft", sft, stdin=stdin)
    assert done.returncode == 0, done.stderr
    saved = lines(sft.read_bytes())
    assert [one["id"] for one in saved] == ["q0", "q2"]  # the one with a problem is nothing to learn from
    assert b"1 answers with problems" in done.stderr
    roles = [message["role"] for message in saved[0]["messages"]]
    assert roles == ["system", "user", "assistant"]
    assert saved[0]["messages"][:2] == ask.endpoint.requests[0]["messages"]
    assert saved[0]["messages"][2]["content"] == "This is the pump [1]."
    extractive = run("ask", "--save-sft", sft, stdin=result_of("Which is pump 2?", "No.", "This is pump 2.", id="x"))
    assert extractive.returncode == 0, extractive.stderr
    last = lines(sft.read_bytes())[-1]
    assert last["messages"][2]["content"] == "This is pump 2.[2]"  # the context's number, not the quote's
    assert "[2] a.txt" in last["messages"][1]["content"]


def test_verify_marks_what_no_passage_supports(asking: Any) -> None:
    answer = "手机的保修期为二十四个月[1]。月球是由奶酪构成的岩石天体[1]。"
    made = asking(Say([answer])).answer("-t", "kb", "--verify", "5", PHONE)
    (unsupported,) = [one for one in made["problems"] if one["kind"] == "unsupported"]
    assert "奶酪" in unsupported["sentence"]
    assert "奶酪" in made["answer"][unsupported["start"] : unsupported["end"]]


def test_the_prompt_is_cut_to_the_window(asking: Any) -> None:
    texts = [f"Pump {n} has a valve. " * 40 for n in range(1, 6)]
    ask = asking(Say(["A valve [1]."]))
    made = ask.answer("--window", "1024", "--max-tokens", "100", stdin=result_of("Which pump has a valve?", *texts))
    assert made["prompt"]["tokens"] <= 924
    assert made["prompt"]["window"] == 1024
    left_out = made["prompt"]["left_out"]
    assert [one["rank"] for one in left_out] == list(range(left_out[0]["rank"], 6))
    sent = sum(prompt.count("has a valve. ") for prompt in ask.prompts)
    cut = texts[0].count("valve") * 5 - sum(one["characters"] for one in left_out) // len("Pump 1 has a valve. ")
    assert abs(sent - cut) <= 1


def test_an_endpoint_that_says_its_window_is_asked_again_with_less(asking: Any) -> None:
    def script(body: Any, number: int) -> Any:
        if len(body["messages"][-1]["content"]) > 2500:
            return 400, {"error": {"message": "This model's maximum context length is 1000 tokens."}}, {}
        return Say(["A valve [1]."])

    texts = [f"Pump {n} has a valve. " * 40 for n in range(1, 6)]
    made = asking(script).answer("--max-tokens", "100", stdin=result_of("Which pump has a valve?", *texts))
    assert made["prompt"]["window"] == 1000
    assert made["prompt"]["left_out"]


def test_an_endpoint_that_reads_only_a_part_is_noticed(asking: Any) -> None:
    ask = asking(Say(["A valve [1]."], usage={"prompt_tokens": 100, "completion_tokens": 3}))
    made = ask.answer(stdin=result_of("Which pump has a valve?", *["A pump has a valve. " * 100] * 5))
    assert [one["kind"] for one in made["problems"]] == ["prompt_cut"]


def test_templates_and_system_texts(asking: Any, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(
        "{% block system %}{{ system }} Speak like a sailor.{% endblock %}"
        "{% block user %}{{ question }}{% for one in contexts %}|{{ one.n }} {{ one.source }} {{ one.fenced }}"
        "{% endfor %}{% endblock %}"
    )
    ask = asking(Say(["Aye [1]."]))
    ask.answer("--template", template, "--system", "Be kind.", stdin=result_of("Which pump?", "The pump."))
    system, user = ask.endpoint.requests[0]["messages"]
    assert system == {"role": "system", "content": "Be kind. Speak like a sailor."}
    assert user["content"] == "Which pump?|1 a.txt ```\nThe pump.\n```"
    template.write_text("Answer {{ question }} from {{ sources }}")
    shown = ask("--template", template, "--show-prompt", stdin=result_of("Which pump?", "The pump."))
    assert shown.stdout.decode().startswith("--- user ---\nAnswer Which pump? from [1] a.txt")
    assert len(ask.endpoint.requests) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ questoin }}", "questoin"),
        ("{% block user %}", "line 1"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% block system %}x{% endblock %}", "'user'"),
        ("{{ 1 / 0 }}", "division"),
    ],
)
def test_a_broken_template_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.jinja").write_text(text)
    done = run("ask", "--template", "t.jinja", "--show-prompt", stdin=result_of("q?", "The q."), cwd=tmp_path)
    assert done.returncode == 2
    assert "t.jinja" in done.stderr.decode()
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_macros_and_variables_reach_the_blocks(asking: Any, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(
        "\ufeff{% macro loud(text) %}<<{{ text }}>>{% endmacro %}{% set word = 'Q' %}"
        "{% block user %}{{ sources }} {{ word }}: {{ loud(question) }}{% endblock %}",
        "utf-8",
    )
    ask = asking(Say(["24个月[1]。"]))
    ask.answer("-t", "kb", PHONE, "--template", tmp_path / "own.jinja")
    assert ask.prompts[0].endswith(f"Q: <<{PHONE}>>")


def test_the_example_of_a_refusal_is_cut_to_the_window(asking: Any, tmp_path: Path) -> None:
    done = asking(Say(["x"]))("-t", "kb", NOWHERE, "--window", "900", "--save-sft", tmp_path / "sft.jsonl")
    assert lines(done.stdout)[0]["refused_by"] == "retrieval"
    (example,) = lines((tmp_path / "sft.jsonl").read_bytes())
    assert sum(len(one["content"]) for one in example["messages"]) < 900
    assert example["refused"]


def test_a_pipe_and_a_table_give_the_same_answers(asking: Any, kb: Path) -> None:
    questions = f"{PHONE}\n{LEAVE}\n{NOWHERE}\n".encode()
    for model in ((), ("-m", "openai:scripted")):
        ask = asking(citing("答案", ""))
        found = run("query", "-t", "kb", "-d", kb, stdin=questions).stdout
        more = ask.endpoint.environment()
        piped = lines(run("ask", *model, stdin=found, **more).stdout)
        direct = lines(run("ask", *model, "-t", "kb", "-d", kb, stdin=questions, **more).stdout)
        assert len(piped) == 3
        for one in (*piped, *direct):
            one.pop("seconds")
        assert piped == direct


def test_settings_name_the_language_model_and_the_embedding_model_apart(asking: Any, kb: Path, tmp_path: Path) -> None:
    ask = asking(citing("手机的保修期为24个月", "二十四个月"))
    (tmp_path / "ragcli.toml").write_text(f'model = "builtin"\nllm = "openai:scripted"\ndb = "{kb}"\n')
    done = run("ask", "-t", "kb", PHONE, cwd=tmp_path, **ask.endpoint.environment())
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout)[0]["model"] == "openai:scripted"
    (tmp_path / "ragcli.toml").write_text(f'db = "{kb}"\n[ask]\nmodel = "openai:scripted"\n')
    done = run("ask", "-t", "kb", PHONE, cwd=tmp_path, **ask.endpoint.environment())
    assert lines(done.stdout)[0]["model"] == "openai:scripted"
    by_name = run("ask", "-t", "kb", "-d", kb, PHONE, RAGCLI_LLM="openai:scripted", **ask.endpoint.environment())
    assert lines(by_name.stdout)[0]["model"] == "openai:scripted"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--temperature", "-1"), "temperature"),
        (("--max-tokens", "0"), "--max-tokens"),
        (("-m", "openai:x", "--model-options", "[1]"), "--model-options"),
        (("-m", "openai:x", "--model-options", "{x"), "--model-options"),
        (("-m", "openai:x", "--system", "@nowhere.txt"), "nowhere.txt"),
        (("-m", "openai:x", "--window", "3"), "--window"),
        (("-m", "openai:x", "--concurrency", "0"), "concurrency"),
        (("--verify", "-1"), "--verify"),
        (("--calibrate", "x.jsonl"), "-t"),
        (("-m", "openai:x", "--quantize", "int4"), "--quantize"),
        (("-m", "nomodel"), "no model"),
    ],
)
def test_wrong_options_are_a_sentence(args: tuple[str, ...], said: str) -> None:
    done = run("ask", *args, stdin=result_of("q?", "The q."), OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_calibration_is_kept_in_the_table_and_obeyed(kb: Path, tmp_path: Path) -> None:
    import shutil

    db = tmp_path / "db"
    shutil.copytree(kb, db)
    good = [
        PHONE,
        LEAVE,
        "屏幕总成的配件编号是什么？",
        "耳机的保修期是多久？",
        "How many weeks ahead is consent needed?",
    ]
    bad = [NOWHERE, "Who wrote Hamlet?", "手机的屏幕是谁设计的？", "What is the salary of the director?"]
    rows = [{"text": text, "answerable": True} for text in good] + [{"text": text, "answers": []} for text in bad]
    (tmp_path / "q.jsonl").write_bytes(jsonl(*rows))
    done = run("ask", "-t", "kb", "-d", db, "--calibrate", tmp_path / "q.jsonl")
    assert done.returncode == 0, done.stderr
    (record,) = lines(done.stdout)
    assert (record["type"], record["answerable"], record["unanswerable"]) == ("calibration", 5, 4)
    assert record["lost"] == 0
    assert record["refused"] >= record["default"]["refused"]
    assert [one["lost"] for one in record["others"]] == sorted(one["lost"] for one in record["others"])
    assert b"few" in done.stderr
    asked = lines(run("ask", "-t", "kb", "-d", db, stdin="\n".join(good + bad).encode()).stdout)
    assert [one["refused"] for one in asked[:5]] == [False] * 5
    assert sum(one["refused"] for one in asked[5:]) == record["refused"] * 4
    found = run("query", "-t", "kb", "-d", db, stdin="\n".join(good + bad).encode()).stdout
    piped = lines(run("ask", stdin=found).stdout)
    assert [one["refused"] for one in piped] == [one["refused"] for one in asked]
    assert all("refuse_below" not in one for one in piped)
    table = run("ask", "-t", "kb", "-d", db, "--calibrate", tmp_path / "q.jsonl", "--format", "table")
    assert "kept in the table" in table.stdout.decode()


@pytest.mark.parametrize(
    ("row", "said"),
    [({"text": "Who?"}, "answerable"), ({"text": "Who?", "answerable": True}, "some of both")],
)
def test_calibration_needs_questions_that_say_which_they_are(kb: Path, tmp_path: Path, row: Any, said: str) -> None:
    (tmp_path / "q.jsonl").write_bytes(jsonl(row))
    done = run("ask", "-t", "kb", "-d", kb, "--calibrate", tmp_path / "q.jsonl")
    assert done.returncode == 1
    assert said in done.stderr.decode()


def test_a_terminal_shows_the_answer_as_it_comes(asking: Any, kb: Path) -> None:
    def script(body: Any, number: int) -> Say:
        n = number_of(body["messages"][-1]["content"], "二十四个月")
        return Say(["手机的保修期为", "36个月", f"[{n}]", "\x1b[2J。"], between=0.4)

    ask = asking(script)
    child = pexpect.spawn(
        str(RAGCLI),
        ["ask", "-m", "openai:scripted", "-t", "kb", "-d", str(kb), PHONE],
        env=environment(**ask.endpoint.environment(), TERM="xterm", COLUMNS="100"),
        encoding="utf-8",
        timeout=30,
        cwd=str(ROOT),
    )
    child.expect("手机的保修期为")
    began = time.monotonic()
    child.expect("36个月")
    assert time.monotonic() - began > 0.2
    child.expect_exact("\\x1b[2J")  # a document or a model moves no cursor
    child.expect("number 36个月 is not in")
    child.expect("保修条款.md")
    child.expect("二十四个月")
    child.expect("written by a language model")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_an_interrupt_ends_the_command(asking: Any, kb: Path) -> None:
    ask = asking(Say(["word "], endless=True, between=0.05))
    child = pexpect.spawn(
        str(RAGCLI),
        ["ask", "-m", "openai:scripted", "-t", "kb", "-d", str(kb), PHONE, "--max-tokens", "100000"],
        env=environment(**ask.endpoint.environment(), TERM="xterm"),
        encoding="utf-8",
        timeout=30,
        cwd=str(ROOT),
    )
    child.expect("word word")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
