"""The training card, the verdict of the forgetting guard, the general texts and the charts: all without torch."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import unicodedata
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ragcli.embedding import open_embedder
from ragcli.errors import UsageError
from ragcli.finetuning.card import Run, license_of, training_card
from ragcli.finetuning.chart import loss_chart, smoothed, terminal_chart
from ragcli.finetuning.environment import environment, git_state
from ragcli.finetuning.general import general
from ragcli.finetuning.guard import Bounds, compare, is_lower_better
from ragcli.finetuning.markdown import block, code, front_matter, table
from ragcli.language import simplified

SETTINGS = {
    "model": "Qwen/Qwen2.5-0.5B-Instruct", "output": "out/my `model` | 中文", "task": "chat", "method": "lora",
    "rank": 24, "alpha": 48, "targets": ["all-linear"], "learning_rate": 0.01, "packing": False, "report_to": [],
}  # fmt: skip
STEPS = [
    {"type": "step", "step": n, "loss": 3.0 / n, "learning_rate": 1e-4, "tokens": 4000, "tokens_per_second": 90.0 + n,
     "memory": 3 << 30}
    for n in range(1, 6)
]  # fmt: skip
EVALUATIONS = [{"type": "evaluation", "step": 2, "loss": 1.5}, {"type": "evaluation", "step": 4, "loss": 1.25}]


# General texts


@pytest.mark.parametrize(("language", "low", "high"), [("zh", 150, 350), ("en", 80, 200)])
def test_general_texts_are_of_the_size_and_the_language_they_should_be(language: str, low: int, high: int) -> None:
    texts = general(language)
    assert len(texts) >= 60
    for one in texts:
        size = len(one.text) if language == "zh" else len(one.text.split())
        assert low <= size <= high, one.id
        assert one.language == language and one.id.startswith(f"{language}-") and one.topic
        assert one.text == one.text.strip() and "\ufffd" not in one.text
        han = sum("\u4e00" <= letter <= "\u9fff" for letter in one.text) / len(one.text)
        assert (han > 0.4) if language == "zh" else (han == 0), one.id
        if language == "zh":
            assert simplified(one.text).replace("毕升", "毕昇") == one.text, one.id


def test_general_texts_are_each_their_own() -> None:
    texts = general()
    assert texts == general("zh") + general("en")
    for field in ("id", "question", "text"):
        assert len({getattr(one, field) for one in texts}) == len(texts)
    for language, least in (("zh", 20), ("en", 20)):
        assert len({one.topic for one in general(language)}) >= least
        # No sentence stands in two of them: they are prose, not a form that was filled in.
        split = (re.split(r"[.。！？?!\n]", one.text) for one in general(language))
        sentences = [sentence for some in split for sentence in some if len(sentence.strip()) > 15]
        assert len(set(sentences)) == len(sentences)
    with pytest.raises(UsageError, match="'fr'"):
        general("fr")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_question_finds_its_own_text(language: str) -> None:
    """With the built-in model, all of them were first when this was written."""
    texts = general(language)
    model = open_embedder(None)
    asked = np.asarray(model.encode([one.question for one in texts], "query"))
    told = np.asarray(model.encode([one.text for one in texts], "passage"))
    first = (asked @ told.T).argmax(axis=1) == np.arange(len(texts))
    assert first.mean() >= 0.97, [one.id for one, right in zip(texts, first, strict=True) if not right]


# The verdict


def test_a_loss_beyond_the_bound_fails_and_says_what_to_do() -> None:
    verdict = compare(
        {"general_perplexity_en": 36.2, "perplexity": 4.4}, {"general_perplexity_en": 2936.0, "perplexity": 3.4},
        learning_rate=0.01,
    )  # fmt: skip
    assert verdict.failed
    lost, kept = verdict.findings
    assert lost.failed and not kept.failed
    assert lost.sentence.startswith("Perplexity on general English text rose from 36.2 to 2,936 (81.1 times;")
    assert "it was 0.01: try 0.002" in verdict.advice[0]
    assert any("--data general.jsonl" in one for one in verdict.advice)
    record = verdict.record()
    assert record["type"] == "guard" and record["failed"] is True and "81.1 times" in record["summary"]


def test_what_got_better_or_hardly_worse_passes() -> None:
    before = {"general_perplexity_zh": 20.0, "general_perplexity_en": 30.0, "perplexity": 5.0, "ndcg@10": 0.5}
    limit = Bounds()
    after = {
        "general_perplexity_zh": 20.0 * limit.general, "general_perplexity_en": 12.0, "perplexity": 5.0 * limit.own,
        "ndcg@10": 0.5 - limit.retrieval,
    }  # fmt: skip
    verdict = compare(before, after)
    assert not verdict.failed and verdict.advice == () and "4 measures" in verdict.summary
    for name, worse in (("general_perplexity_zh", 1.001), ("perplexity", 1.001), ("ndcg@10", 0.999)):
        assert compare(before, {**after, name: after[name] * worse}).failed, name


def test_a_fall_that_may_be_chance_does_not_fail() -> None:
    before, after = {"general_ndcg@10_zh": 0.9}, {"general_ndcg@10_zh": 0.8}
    assert compare(before, after).failed
    assert compare(before, after, intervals={"general_ndcg@10_zh": (-0.15, -0.05)}).failed
    verdict = compare(before, after, intervals={"general_ndcg@10_zh": (-0.22, 0.02)})
    assert not verdict.failed and "may be chance" in verdict.findings[0].sentence
    assert "nDCG@10 on general Chinese text fell from 0.900 to 0.800" in verdict.findings[0].sentence


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_afterwards_is_a_broken_model(value: float) -> None:
    verdict = compare({"perplexity": 5.0, "ndcg@10": 0.5}, {"perplexity": value, "ndcg@10": value})
    assert [one.failed for one in verdict.findings] == [True, True] and "broken" in verdict.summary
    assert [one["after"] for one in verdict.record()["findings"]] == [None, None]
    turned = compare({"perplexity": value, "ndcg@10": value}, {"perplexity": 5.0, "ndcg@10": 0.5})
    assert not turned.failed and not any(one.judged for one in turned.findings)
    assert "not measured" in turned.summary


def test_a_language_that_the_base_does_not_know_is_told_and_not_judged() -> None:
    before, after = {"general_perplexity_zh": 18.0}, {"general_perplexity_zh": 60.0}
    assert compare(before, after).failed
    verdict = compare(before, after, unable=["general_perplexity_zh"])
    assert not verdict.failed and "not judged" in verdict.findings[0].sentence


def test_a_measure_of_one_side_is_named() -> None:
    verdict = compare({"perplexity": 5.0, "probe_ndcg@10": 0.5}, {"perplexity": 5.0, "loss": 1.0})
    assert verdict.missing == ("loss", "probe_ndcg@10") and not verdict.failed


@pytest.mark.parametrize(
    ("name", "lower"),
    [("perplexity", True), ("general_perplexity_zh", True), ("loss", True), ("general_bits_per_byte_en", True),
     ("ndcg@10", False), ("general_nDCG@10_zh", False), ("probe_r@10", False), ("RR@10", False), ("map", False)],
)  # fmt: skip
def test_the_name_says_which_way_is_good(name: str, lower: bool) -> None:
    assert is_lower_better(name) is lower


@pytest.mark.parametrize("name", ["speed", "glossary", "r", "maps@3"])
def test_a_name_that_does_not_say_is_refused(name: str) -> None:
    if name == "r":
        assert not is_lower_better(name)
        return
    with pytest.raises(UsageError, match=name):
        compare({name: 1.0}, {name: 1.0})


# The card


def card(**more: object) -> str:
    values = {
        "settings": SETTINGS,
        "base": {"id": SETTINGS["model"], "hash": "ab" * 32},
        "records": STEPS + EVALUATIONS,
    }
    return training_card(Run(**{**values, **more}))  # type: ignore[arg-type]


def test_a_card_says_what_there_is_to_know() -> None:
    verdict = compare({"general_perplexity_en": 30.0}, {"general_perplexity_en": 90.0}, learning_rate=0.01)
    said = card(
        base={"id": SETTINGS["model"], "hash": "ab" * 32, "license": "apache-2.0"},
        environment=environment(),
        statistics={
            "rows": {"read": 100, "kept": 98, "bad": 2}, "tokens": {"total": 12345, "cut": 50}, "duplicates": 3,
            "cut": {"length": 512, "rows": 7}, "overlap": {"exact": 1}, "languages": {"zh": 60, "en": 30, "other": 8},
        },
        data=[{"name": "保修.jsonl", "sha256": "cd" * 32, "rows": 100, "weight": 0.3}],
        guard=verdict.record(),
        measures=["general_perplexity_en is of 20 of 60 texts: there was no time for more."],
        command=["ragcli", "finetune", "--data", "my file.jsonl"],
        form="adapter",
        datasets=["org/name", "/not/one"],
        chart="loss.png",
        seconds=3725.0,
    )  # fmt: skip
    head = said.split("---")[1]
    assert "license: apache-2.0\nbase_model: Qwen/Qwen2.5-0.5B-Instruct\nbase_model_relation: adapter\n" in head
    assert (
        "library_name: peft\npipeline_tag: text-generation\nlanguage:\n- zh\n- en\ndatasets:\n- org/name\ntags:\n"
        in head
    )
    for part in (
        "| training loss | 3.0000 (step 1) | 0.6000 (step 5) | 0.6000 (step 5) |",
        "| evaluation loss | 1.5000 (step 2) | 1.2500 (step 4) | 1.2500 (step 4) |",
        "| `general_perplexity_en` | 30 | 90 | 3 |", "**lost**", "**Warning.**", "try 0.002", "20 of 60 texts",
        "| rows bad, left out | 2 |", "| tokens of an epoch | 12,345 |", "| rows cut at 512 tokens | 7 |",
        "| duplicates | 3 |", "| rows that are also in the evaluation data | 1 |",
        "| languages | zh 60, en 30, other 8 |",
        f"| `保修.jsonl` | `{'cd' * 32}` | 100 | 0.3 |", "| learning_rate | `0.01` |", "| rank | `24` |",
        "| packing | `false` |", "| tokens a second (median of the records) | 93 |", "| tokens seen | 20,000 |",
        "3.00 GiB", "1 h 2 min", "![Loss by step](loss.png)", "ragcli finetune --data 'my file.jsonl'",
        "--max-lora-rank 32", "--base-model-id Qwen/Qwen2.5-0.5B-Instruct", "| ragcli | `",
    ):  # fmt: skip
        assert part in said, part
    assert "report_to" not in said and "beta" not in said


def test_a_card_without_anything_but_its_settings_is_a_card() -> None:
    said = card(records=())
    assert "Not measured." in said and "## Settings" in said and "## Result" not in said


def test_a_step_that_was_taken_twice_counts_once() -> None:
    again = [{**STEPS[4], "loss": 9.0}]
    said = card(records=[*STEPS, *again])
    assert "9.0000 (step 5) | 0.7500 (step 4)" in said and "| tokens seen | 20,000 |" in said


def test_nothing_in_a_string_breaks_the_card() -> None:
    evil = "a | b\n# no `heading` ``` <script>\u2028---\n"
    said = card(
        settings={**SETTINGS, "output": evil, "model": evil},
        base={"id": evil, "hash": evil, "license": evil},
        data=[{"name": evil, "sha256": evil}],
        records=[{"type": "warning", "message": evil}],
        command=[evil],
        statistics={"languages": {evil: 1, "zh": 1}, "forms": {evil: 2}},
    )
    body = said.split("\n---\n", 1)[1]
    outside = re.sub(r"^(`{3,})[a-z]*\n.*?^\1$", "", body, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "\n# no" not in outside and not re.search(r"(?<!\\)<script", outside)
    assert "\n---\n" not in body
    for line in outside.splitlines():
        if line.startswith("| ") and "---" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5, 6), line


def test_the_front_matter_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    values = {
        "license": "other", "base_model": "a/b-1.5", "odd": 'a: "b" # c\n\\\u2028\x85', "yes": "no", "number": "1.5",
        "none": None, "empty": [], "tags": ["ragcli", "- x", "null", "中文"],
    }  # fmt: skip
    made = front_matter(values)
    assert made.startswith("---\n") and made.endswith("\n---")
    wanted = {key: value for key, value in values.items() if value}
    assert {str(key): value for key, value in yaml.load(made[4:-4], yaml.BaseLoader).items()} == wanted
    assert yaml.safe_load(made[4:-4])["tags"] == values["tags"]


def test_markdown_of_code() -> None:
    assert code("a`b") == "``a`b``" and code("`") == "`` ` ``" and code("") == ""
    assert block("```\nx", "sh") == "````sh\n```\nx\n````"
    assert table(("a", "b"), [(code("x|y"), "\\|")], right=(1,)).splitlines() == [
        "| a | b |", "| --- | ---: |", "| `x\\|y` | \\| |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("---\nlicense: apache-2.0 # as it is\nlanguage: zh\n---\n# Name\nlicense: mit\n", {"license": "apache-2.0"}),
        ("---\r\nlicense: other\r\nlicense_name: 'qwen'\r\n---\r\n", {"license": "other", "license_name": "qwen"}),
        ("# Name\nlicense: mit\n", {}),
        ("---\nlicense:\n- mit\n---\n", {}),
    ],
)
def test_the_licence_of_the_base_is_read_from_its_card(tmp_path: Path, given: str, found: dict[str, str]) -> None:
    assert license_of(tmp_path) == {}
    (tmp_path / "README.md").write_bytes(given.encode())
    assert license_of(tmp_path) == found


# The environment


def test_the_git_state_tells_commit_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    assert git_state(tmp_path) is None
    git("init", "-q", "-b", "main")
    assert git_state(tmp_path) == {"commit": None, "branch": "main", "dirty": False, "changed": 0}
    (tmp_path / "文件.txt").write_text("a")
    git("add", ".")
    git("commit", "-qm", "a")
    (tmp_path / "new.txt").write_text("a")
    assert git_state(tmp_path) == {
        "commit": git("rev-parse", "HEAD").strip(), "branch": "main", "dirty": False, "changed": 0,
    }  # fmt: skip
    (tmp_path / "文件.txt").write_text("b")
    (tmp_path / "sub").mkdir()
    state = git_state(tmp_path / "sub")
    assert state is not None and state["dirty"] is True and state["changed"] == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_the_environment_is_told_without_importing_torch() -> None:
    script = (
        "import sys, ragcli.finetuning.card as card; from ragcli.finetuning.environment import environment;"
        "import ragcli.finetuning.guard, ragcli.finetuning.chart, ragcli.finetuning.perplexity;"
        "told = environment(); assert told['python'] and told['packages'] and told['cores'];"
        "assert not {'torch', 'transformers', 'matplotlib', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Charts


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_chart_shows_losses_and_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.delenv("DISPLAY", raising=False)
    path = tmp_path / "loss.png"
    odd = [
        {"type": "step", "step": 6, "loss": math.nan},
        {"type": "step", "step": 7, "loss": None},
        {"type": "warning"},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss_chart([*STEPS, *EVALUATIONS, *odd], path)
    with Image.open(path) as image:
        image.load()
        assert image.size == (1200, 750)
        colours = {pixel for _, pixel in image.convert("RGB").getcolors(1 << 20)}
    assert {(0x1D, 0x5F, 0xD0), (0xB3, 0x47, 0x0B), (0x14, 0x79, 0x5A), (255, 255, 255)} <= colours
    assert [one.name for one in tmp_path.iterdir()] == ["loss.png"]
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.parametrize(
    "records",
    [
        [{"type": "step", "step": 1, "loss": 1.5}],
        [{"type": "evaluation", "step": 3, "loss": 2.0}],
        [{"type": "step", "step": n, "loss": 2.0, "learning_rate": 0.0} for n in (1, 2)],
        [{"type": "step", "step": n, "loss": 10.0**n, "learning_rate": 10.0**-n} for n in range(1, 9)],
        [{"type": "step", "step": n, "loss": -1.0 * n} for n in range(1, 3)],
    ],
)
def test_odd_runs_have_a_chart_too(tmp_path: Path, records: list[dict]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss_chart(records, tmp_path / "loss.png")


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert not loss_chart([{"type": "step", "step": 1, "loss": math.nan}], tmp_path / "loss.png")
    assert not list(tmp_path.iterdir())


def test_smoothing_neither_lags_nor_moves_a_straight_line() -> None:
    line = [float(n) for n in range(100)]
    assert smoothed(line)[20:80] == pytest.approx(line[20:80])
    assert smoothed([5.0] * 50) == pytest.approx([5.0] * 50)
    assert smoothed([3.0, 1.0]) == [3.0, 1.0]
    noisy = [n / 100 + (-1) ** n for n in range(200)]
    assert max(abs(one - n / 100) for n, one in enumerate(smoothed(noisy))) < 0.25


def test_a_chart_of_text_falls_with_the_loss() -> None:
    drawn = terminal_chart([float(8 - n) for n in range(8)], 40, 4).split("\n")
    assert len(drawn) == 4
    heights = [sum(" ▁▂▃▄▅▆▇█".index(line[3:].ljust(8)[at]) for line in drawn) for at in range(8)]
    assert heights == sorted(heights, reverse=True) and heights[0] == 32 and heights[-1] == 1
    assert drawn[0].startswith("8 ┤") and drawn[-1].startswith("1 ┤")


@pytest.mark.parametrize(
    "values", [[1.0], [2.0, 2.0], [1.0, math.nan, 3.0], [1e-9, 1e9], [float(n) for n in range(999)]]
)
@pytest.mark.parametrize(("width", "height"), [(60, 6), (12, 1), (1, 2)])
def test_a_chart_of_text_has_its_size(values: list[float], width: int, height: int) -> None:
    drawn = terminal_chart(values, width, height).split("\n")
    assert len(drawn) == height
    assert all(len(line) <= max(width, 11) for line in drawn)
    assert all(unicodedata.category(letter) != "Cc" for line in drawn for letter in line)


def test_there_is_no_chart_of_no_number() -> None:
    assert terminal_chart([]) == "" and terminal_chart([math.nan, math.inf]) == ""
