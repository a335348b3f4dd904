"""``ragcli chat``: follow-up questions, commands, what is kept on disk, in lines and in a real terminal."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from conftest import RAGCLI, ROOT, environment, jsonl, lines, run
from openai_server import Endpoint, Say
from ragcli.chatting import read_persona
from ragcli.chatting.followup import Before, standalone
from ragcli.errors import UsageError

PHONE = "手机的保修期是多久？"


def talk(kb: Path, *said: Any, args: tuple[Any, ...] = (), **more: str) -> subprocess.CompletedProcess[bytes]:
    stdin = b"".join(jsonl(one) if isinstance(one, dict) else f"{one}\n".encode() for one in said)
    private = () if {"-c", "--conversation"} & set(args) else ("--private",)
    return run("chat", "-t", "kb", "-d", kb, *private, *args, stdin=stdin, cwd=ROOT, **more)


def test_a_line_in_a_line_out(kb: Path) -> None:
    done = talk(
        kb,
        PHONE,
        {"question": "When must overtime be agreed?", "id": "x7", "user": "li"},
        "谢谢",
        "谁发明了电话？",
        {"command": "clear"},
    )
    assert done.returncode == 0, done.stderr
    made = lines(done.stdout)
    assert [one["type"] for one in made] == ["answer"] * 4 + ["done"]
    assert "二十四个月" in made[0]["answer"]
    assert (made[1]["id"], made[1]["user"]) == ("x7", "li")
    assert made[1]["citations"][0]["source"] == "examples/handbook/leave.md"
    assert (made[2]["small_talk"], made[2]["citations"]) == (True, [])
    assert made[3]["refused"] is True


def test_a_bad_line_costs_no_line(kb: Path) -> None:
    done = talk(kb, '{"bad"', {"nothing": 1}, PHONE, {"command": "fly"}, {"command": "k", "value": "many"})
    assert done.returncode == 3
    made = lines(done.stdout)
    assert [one["type"] for one in made] == ["error", "error", "answer", "error", "error"]
    assert "line 1" in made[0]["message"]
    assert "many" in made[4]["message"]


def test_answers_come_at_once(kb: Path) -> None:
    """A program that writes a line and waits for its answer gets it."""
    with subprocess.Popen(
        [RAGCLI, "chat", "-t", "kb", "-d", kb, "--jsonl", "--private"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for question in (PHONE, "When must overtime be agreed?"):
            process.stdin.write(f"{question}\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["question"] == question
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_question_that_leans_takes_the_last_ones_words(kb: Path) -> None:
    done = talk(kb, PHONE, "平板电脑呢？", "耳机呢？", "When must overtime be agreed?")
    made = lines(done.stdout)
    assert [one["how"] for one in made] == ["alone", "terms", "terms", "alone"]
    assert made[1]["standalone"] == f"平板电脑呢？ {PHONE}"
    assert "十八个月" in made[1]["answer"]
    assert made[2]["standalone"] == f"耳机呢？ 平板电脑呢？ {PHONE}"
    assert made[3]["standalone"] == made[3]["question"]


@pytest.mark.parametrize(
    ("question", "how"),
    [
        ("and for tablets?", "terms"),
        ("How long does it last?", "terms"),
        ("那多少钱？", "terms"),
        ("为什么？", "terms"),
        ("Where is the head office of the company?", "alone"),
        ("公司总部的详细地址在哪里？", "alone"),
    ],
)
def test_what_leans_is_told_from_what_stands_alone(question: str, how: str) -> None:
    before = [Before("How long is the warranty?", "How long is the warranty?", "alone", "24 months.")]
    assert standalone(question, before, None)[0].how == how


def test_a_model_makes_questions_stand_alone(kb: Path) -> None:
    def script(body: Any, number: int) -> Say:
        system = body["messages"][0]["content"]
        if "改写" in system:
            return Say(["问题：平板电脑的保修期是多久？"])
        return Say(["保修期见条款[1]。"])

    with Endpoint(script) as endpoint:
        done = talk(kb, PHONE, "平板呢？", args=("-m", "openai:scripted"), **endpoint.environment())
    assert done.returncode == 0, done.stderr
    first, second = lines(done.stdout)
    assert (first["how"], second["how"]) == ("alone", "model")
    assert second["standalone"] == "平板电脑的保修期是多久？"
    assert second["question"] == "平板呢？"
    rewriting, answering = endpoint.requests[1:]
    assert PHONE in rewriting["messages"][1]["content"]
    assert [one["role"] for one in answering["messages"]] == ["system", "user", "assistant", "user"]
    assert answering["messages"][1]["content"] == PHONE


@pytest.mark.parametrize("said", ["今天天气很好，我们去公园散步吧！", "", "x" * 900])
def test_a_rewriting_that_is_none_is_not_believed(kb: Path, said: str) -> None:
    def script(body: Any, number: int) -> Say:
        return Say([said]) if "改写" in body["messages"][0]["content"] else Say(["保修期见条款[1]。"])

    with Endpoint(script) as endpoint:
        done = talk(kb, PHONE, "平板电脑呢？", args=("-m", "openai:scripted"), **endpoint.environment())
    assert lines(done.stdout)[1]["standalone"] == f"平板电脑呢？ {PHONE}"


def test_personas_and_their_caution(kb: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, number: Say(["28 days [1]."])) as endpoint:
        done = talk(
            kb,
            "How many days of paid leave do employees get?",
            "你好",
            args=("-m", "openai:scripted", "--persona", "medical", "--system", "Be kind."),
            **endpoint.environment(),
        )
    first, second = lines(done.stdout)
    assert "doctor" in first["caution"]
    assert "caution" not in second
    assert "健康" in second["answer"]
    system = endpoint.requests[0]["messages"][0]["content"]
    assert system.startswith("You answer questions from medical documents. You are not a doctor.")
    assert "Be kind." in system
    assert "[1]" in system
    (tmp_path / "own.md").write_text("---\ncaution: 仅供内部使用。\n---\n你是档案员。\n", "utf-8")
    own = talk(kb, PHONE, args=("--persona", tmp_path / "own.md"))
    assert lines(own.stdout)[0]["caution"] == "仅供内部使用。"
    for name in ("service", "medical", "legal"):
        both = read_persona(name)
        assert both["zh"].text != both["en"].text
        assert bool(both["zh"].caution) == bool(both["en"].caution) == (name != "service")


@pytest.mark.parametrize(
    ("text", "said"), [("---\ncaution: x\n", "second"), ("---\nmood: x\n---\n", "mood"), (None, "no persona")]
)
def test_a_broken_persona_is_a_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "own.md").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_persona(str(tmp_path / "own.md"))


def test_conversations_are_kept_and_gone_on_with(kb: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    first = run("chat", "-t", "kb", "-d", kb, stdin=f"{PHONE}\n".encode(), cwd=ROOT, **state)
    assert first.returncode == 0, first.stderr
    (path,) = (tmp_path / "ragcli" / "chats").glob("kb-*.jsonl")
    assert path.stat().st_mode & 0o777 == 0o600
    second = talk(kb, "平板电脑呢？", args=("-c",), **state)
    assert lines(second.stdout)[0]["standalone"] == f"平板电脑呢？ {PHONE}"
    assert [one["question"] for one in lines(path.read_bytes())] == [PHONE, "平板电脑呢？"]
    path.write_bytes(path.read_bytes()[:-30])  # killed within the last line
    third = talk(kb, "耳机呢？", args=("--conversation", path), **state)
    assert third.returncode == 0, third.stderr
    assert [one["question"] for one in lines(path.read_bytes())] == [PHONE, "耳机呢？"]
    assert lines(third.stdout)[0]["standalone"] == f"耳机呢？ {PHONE}"
    private = talk(kb, PHONE, **state)
    assert private.returncode == 0
    assert len(list((tmp_path / "ragcli" / "chats").iterdir())) == 1


def test_saved_and_loaded_in_lines(kb: Path, tmp_path: Path) -> None:
    kept = str(tmp_path / "talk.jsonl")
    talk(kb, PHONE, {"command": "save", "value": kept})
    done = talk(kb, {"command": "load", "value": kept}, "平板电脑呢？", {"command": "model", "value": "nomodel"})
    loaded, answer, failed = lines(done.stdout)
    assert loaded["value"] == 1
    assert answer["how"] == "terms"
    assert "no model" in failed["message"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "-t"),
        (("-t", "kb", "--private", "-c"), "--private"),
        (("-t", "kb", "-c"), "no conversation"),
        (("-t", "nothing"), "no table"),
        (("-t", "kb", "--persona", "nobody"), "nobody"),
        (("-t", "kb", "--conversation", "/dev/null/x"), "cannot"),
    ],
)
def test_wrong_options_are_a_sentence(kb: Path, tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = run("chat", *args, "-d", kb, stdin=b"x\n", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode in (1, 2)
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


class Terminal:
    """A chat in a real terminal."""

    def __init__(self, kb: Path, state: Path, *args: str, **more: str) -> None:
        self.child = pexpect.spawn(
            str(RAGCLI),
            ["chat", "-t", "kb", "-d", str(kb), *args],
            env=environment(TERM="xterm", COLUMNS="120", XDG_STATE_HOME=str(state), **more),
            encoding="utf-8",
            timeout=30,
            cwd=str(ROOT),
            dimensions=(40, 120),
        )
        self.child.delaybeforesend = 0.2

    def say(self, text: str, *expected: str) -> None:
        self.child.send(text + "\r")
        for one in expected:
            self.child.expect_exact(one)


def test_a_conversation_in_a_terminal(kb: Path, tmp_path: Path) -> None:
    terminal = Terminal(kb, tmp_path, "--persona", "legal")
    terminal.child.expect_exact("/help shows the commands")
    terminal.say(PHONE, "二十四个月", "保修条款.md", "不构成法律意见")
    terminal.say("平板电脑呢？", "十八个月", "不构成法律意见")
    terminal.say("/why", f"searched for: 平板电脑呢？ {PHONE}", "leans on the last question", "support:")
    terminal.say("/sources", "examples/售后/保修条款.md")
    terminal.say("/k 2", "2 passages")
    terminal.say("/k 0", "a number from 1")
    terminal.say("/model nomodel", "no model")
    terminal.say(f"/save {tmp_path / 'talk.jsonl'}", "2 answers")
    terminal.say("/clear", "forgotten")
    terminal.say("/why", "nothing was asked")
    terminal.say(f"/load {tmp_path / 'talk.jsonl'}", "after 2 answers")
    terminal.say("/nonsense", "no command")
    terminal.child.send("one line\x1b\rof two\r")
    terminal.child.expect_exact("of two")
    terminal.child.sendeof()
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 0
    kept = next((tmp_path / "ragcli" / "chats").glob("*.jsonl"))
    assert [one["question"] for one in lines(kept.read_bytes())] == [PHONE, "平板电脑呢？", "one line\nof two"]
    assert PHONE in (tmp_path / "ragcli" / "chat_history").read_text("utf-8")


def test_an_interrupt_stops_the_answer_and_not_the_chat(kb: Path, tmp_path: Path) -> None:
    def script(body: Any, number: int) -> Say:
        return Say(["word "], endless=True, between=0.05) if number == 0 else Say(["Fine [1]."])

    with Endpoint(script) as endpoint:
        terminal = Terminal(
            kb, tmp_path, "-m", "openai:scripted", "--max-tokens", "100000", "--private", **endpoint.environment()
        )
        terminal.child.expect_exact("/help")
        terminal.say(PHONE, "word word")
        terminal.child.sendintr()
        terminal.child.expect_exact("(stopped)")
        deadline = time.monotonic() + 5
        while endpoint.at_once and time.monotonic() < deadline:
            time.sleep(0.02)
        assert endpoint.at_once == 0
        terminal.say(PHONE, "Fine", "保修条款.md")
        terminal.child.sendintr()  # at the prompt it ends nothing
        terminal.say("/model extractive", "answered by extractive")
        terminal.say(PHONE, "二十四个月")
        terminal.say("/exit")
        terminal.child.expect(pexpect.EOF)
        terminal.child.close()
    assert terminal.child.exitstatus == 0


def test_a_chat_calls_functions(kb: Path, tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(
        'READ_ONLY = ["state"]\ndef state(number: str) -> str:\n    """The state of an order."""\n'
        '    return f"order {number} was shipped on 2026-11-03"\n'
    )
    call = {"id": "c", "type": "function", "function": {"name": "state", "arguments": '{"number": "A17"}'}}

    def script(body: Any, number: int) -> Say:
        return Say(calls=[call]) if number == 0 else Say(["Order A17 was shipped on 3 November 2026."])

    with Endpoint(script) as endpoint:
        args = ("-m", "openai:scripted", "--tools", tmp_path / "orders.py", "--allow", "state")
        done = talk(kb, "Where is order A17?", args=args, **endpoint.environment())
    assert done.returncode == 0, done.stderr
    (made,) = lines(done.stdout)
    assert made["calls"][0]["result"] == "order A17 was shipped on 2026-11-03"
    assert made["problems"] == []
    assert "state(" in done.stderr.decode()


@pytest.mark.parametrize("text", ["my only notes", '{"a": 1}', "x" * 50])
def test_a_file_that_is_no_conversation_is_left_as_it_is(kb: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.txt").write_text(text)
    done = talk(kb, PHONE, args=("--conversation", tmp_path / "notes.txt"))
    assert done.returncode in (1, 2)
    loaded = talk(kb, PHONE, {"command": "load", "value": str(tmp_path / "notes.txt")}, "平板电脑呢？")
    assert [one["type"] for one in lines(loaded.stdout)] == ["answer", "error", "answer"]
    assert lines(loaded.stdout)[2]["how"] == "terms"  # the talk goes on
    saved = talk(kb, PHONE, {"command": "save", "value": str(tmp_path / "notes.txt")})
    assert lines(saved.stdout)[1]["type"] == "error"
    assert (tmp_path / "notes.txt").read_text() == text


def test_the_last_conversation_is_that_of_this_table(kb: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ragcli" / "chats"
    folder.mkdir(parents=True)
    turn = lines(talk(kb, PHONE).stdout)[0]
    for at, name in enumerate(["kb-20260930-101010-001", "kb-20261001-101010-002", "kb-hr-20261201-101010-003"]):
        (folder / f"{name}.jsonl").write_bytes(jsonl({**turn, "question": f"{name}？"}))
        os.utime(folder / f"{name}.jsonl", (1_000_000 + at, 1_000_000 + at))
    done = talk(kb, "平板电脑呢？", args=("-c",), XDG_STATE_HOME=str(tmp_path))
    assert "kb-20261001-101010-002.jsonl" in done.stderr.decode()
    assert len(lines((folder / "kb-20261001-101010-002.jsonl").read_bytes())) == 2


def test_what_is_loaded_is_kept_with_what_follows(kb: Path, tmp_path: Path) -> None:
    kept = str(tmp_path / "talk.jsonl")
    talk(kb, PHONE, {"command": "save", "value": kept})
    state = {"XDG_STATE_HOME": str(tmp_path)}
    leave = "How many days of paid leave do employees get?"
    run(
        "chat", "-t", "kb", "-d", kb, cwd=ROOT, **state,
        stdin=jsonl({"question": leave}, {"command": "load", "value": kept}, {"question": "平板电脑呢？"}),
    )  # fmt: skip
    talks = [
        [one["question"] for one in lines(path.read_bytes())] for path in (tmp_path / "ragcli" / "chats").iterdir()
    ]
    assert sorted(talks) == sorted([[leave], [PHONE, "平板电脑呢？"]])


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(kb: Path, tmp_path: Path) -> None:
    (tmp_path / "ragcli").write_text("a file where the folder should be")
    done = run("chat", "-t", "kb", "-d", kb, stdin=f"{PHONE}\n".encode(), cwd=ROOT, XDG_STATE_HOME=str(tmp_path))
    assert "二十四个月" in lines(done.stdout)[0]["answer"]
    assert "cannot be kept" in done.stderr.decode()


def test_odd_keys_and_commands_cost_no_line(kb: Path) -> None:
    rows = [
        {"question": PHONE, "on_text": 1, "id_": "x", "self": 1, "support": "high", "extra": 2},
        {"text": PHONE, "question": 5},
        {"command": "load", "value": "a\0b"},
        {"command": "k", "value": "0", "id": "c1"},
        {"id": "e1", "nothing": 1},
    ]
    done = talk(kb, *rows)
    made = lines(done.stdout)
    assert [one["type"] for one in made] == ["answer", "answer", "error", "error", "error"]
    assert made[0]["on_text"] == 1
    assert isinstance(made[0]["support"], float)  # what ragcli found, not what was given
    assert made[3]["id"] == "c1"
    assert made[4]["id"] == "e1"
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"support": "high"},
        {"hits": [1]},
        {"hits": [{}]},
        {"prompt": 5},
        {"threshold": "x", "support": 0.1},
        {"how": "magic"},
    ],
)
def test_odd_turns_are_no_conversation(kb: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    turn = lines(talk(kb, PHONE).stdout)[0]
    (tmp_path / "talk.jsonl").write_bytes(jsonl({**turn, **change}))
    done = talk(kb, args=("--conversation", tmp_path / "talk.jsonl"))
    assert done.returncode == 1
    assert "not as ragcli chat keeps it" in done.stderr.decode()


@pytest.mark.parametrize(
    ("before", "question", "held"),
    [
        (PHONE, "When must overtime that is planned be agreed?", "agreed"),
        (PHONE, "and overtime?", "vertime"),
        ("How many days of paid leave do employees get?", "手机呢？", "手机"),
        (PHONE, "你是谁？", None),
        (PHONE, "公司其他产品的价格？", None),
        (PHONE, "怎么申请贷款？", None),
        (PHONE, "它的保修期从哪天算起？", "购买之日"),
    ],
)
def test_a_new_topic_is_not_answered_with_the_old_one(kb: Path, before: str, question: str, held: str | None) -> None:
    made = lines(talk(kb, before, question).stdout)[1]
    assert made["refused"] is (held is None), made["answer"]
    assert held is None or held in made["answer"]


@pytest.mark.parametrize("said", ["ok thanks!", "Thank you so much", "谢谢你的帮助", "好", "嗯嗯", "hello there", "👍"])
def test_small_talk_is_no_question(kb: Path, said: str) -> None:
    made = lines(talk(kb, said).stdout)[0]
    assert made["small_talk"]
    assert not made["refused"]


def test_an_interrupt_of_a_command_goes_on_with_the_chat(kb: Path, tmp_path: Path) -> None:
    (tmp_path / "slowllm.py").write_text("import time\ntime.sleep(20)\n")
    terminal = Terminal(kb, tmp_path, PYTHONPATH=str(tmp_path))
    terminal.child.expect_exact("/help shows the commands")
    terminal.child.send("/model llamaindex:slowllm.X\r")
    time.sleep(1.5)
    terminal.child.sendintr()
    terminal.child.expect_exact("(stopped)")
    terminal.say(PHONE, "二十四个月")
    terminal.child.send("/model " + "x" * 400 + "\r")
    terminal.child.expect_exact("there is no model")
    time.sleep(1)  # until it reads again
    terminal.child.sendeof()
    terminal.child.expect(pexpect.EOF)
    terminal.child.close()
    assert terminal.child.exitstatus == 0
