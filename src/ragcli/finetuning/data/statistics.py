"""What there is to train on, counted row by row before anything is loaded: sizes, copies, contradictions, overlap.

Of each row three hashes of 8 bytes stay, and no text; two texts with the same hash are not to be expected below 10^9
rows. Texts are compared after NFKC and with white space as one blank: case and punctuation count.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from ragcli.errors import InputError
from ragcli.finetuning.data.rows import ChatRow, PairRow, Place, PreferenceRow, Row, RowError, ScoredRow, TextRow
from ragcli.jsonl import dumps
from ragcli.llms.protocols import Message
from ragcli.records import Json

if TYPE_CHECKING:
    import numpy as np

LENGTHS = (512, 1024, 2048, 4096, 8192)
PERCENTILES = (50, 90, 95, 99)
_NONE = 0  # the hash of what is not compared
_SPACE = re.compile(r"\s+")
_LETTERS = 500  # characters of a row that its language is seen from
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LETTER = re.compile(r"[^\W\d_]")
_KANA = re.compile("[\u3041-\u30ff]")
_SHOWN = 50  # sources that are listed one by one


class Statistics:
    """The rows of a run, counted.

    Args:
        length: tokens of a row at most, where it is known; for the warnings.
    """

    def __init__(self, length: int | None = None) -> None:
        self._length = length
        self._counts: Counter[str] = Counter()
        self._forms: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self._content, self._prompt, self._asked = array("Q"), array("Q"), array("Q")
        self._eval_content, self._eval_prompt = array("Q"), array("Q")

    def add(self, row: Row, length: int, cut: int = 0, *, trained: int | None = None) -> None:
        """Count a row that is trained on.

        Args:
            row: the row.
            length: its tokens, before cutting.
            cut: how many of them are cut off.
            trained: how many of those that are left the loss is on; all of them where it is not given.
        """
        left = length - cut
        self._counts["seen"] += 1
        self._counts["tokens"] += length
        self._counts["tokens_cut"] += cut
        self._counts["tokens_trained"] += left if trained is None else trained
        self._counts["cut"] += cut > 0
        self._lengths[length] += 1
        if row.place.repeat:
            return
        self._counts["kept"] += 1
        self._place(row.place)
        self._languages[language(_shown(row))] += 1
        content, prompt, asked = _hashes(row)
        self._content.append(content)
        self._prompt.append(prompt)
        self._asked.append(asked)

    def add_empty(self, row: Row) -> None:
        """Count a row of which nothing is left to learn from."""
        if not row.place.repeat:
            self._counts["empty"] += 1
            self._place(row.place)

    def add_bad(self, error: InputError) -> None:
        """Count a row that cannot be used; its kind is the error's (`RowError.kind`)."""
        self._bad[error.kind if isinstance(error, RowError) else "other"] += 1

    def add_left_out(self, place: Place, reason: str) -> None:
        """Count a good row that is not used: ``on_left_out`` of `read_rows`."""
        del place
        self._left_out[reason] += 1

    def add_evaluation(self, row: Row) -> None:
        """Remember a row of the evaluation data, which should not be trained on."""
        self._counts["evaluation"] += 1
        content, prompt, _ = _hashes(row)
        self._eval_content.append(content)
        self._eval_prompt.append(prompt)

    def record(self) -> Json:
        """Return all counts: ``rows.read`` = kept + empty + bad + left_out.

        ``rows.seen`` counts what an epoch sees, weights included; tokens, lengths and cuts are of those. Duplicates,
        contradictions and overlap are of rows as they stand in the sources.
        """
        bad, left_out = sum(self._bad.values()), sum(self._left_out.values())
        kept, empty = self._counts["kept"], self._counts["empty"]
        return {
            "type": "statistics",
            "rows": {
                "read": kept + empty + bad + left_out,
                "kept": kept,
                "empty": empty,
                "bad": bad,
                "left_out": left_out,
                "seen": self._counts["seen"],
            },
            "bad": dict(sorted(self._bad.items())),
            "left_out": dict(sorted(self._left_out.items())),
            "forms": dict(self._forms.most_common()),
            "sources": _most(self._sources),
            "languages": dict(self._languages.most_common()),
            "tokens": {
                "total": self._counts["tokens"],
                "cut": self._counts["tokens_cut"],
                "trained": self._counts["tokens_trained"],
            },
            "lengths": self._percentiles(),
            "longer_than": {str(limit): self._longer(limit) for limit in LENGTHS},
            "cut": {"length": self._length, "rows": self._counts["cut"]},
            "duplicates": self._duplicates(),
            "contradictions": self._contradictions(),
            "overlap": {"evaluation": self._counts["evaluation"], **self._overlap()},
        }

    def warnings(self) -> list[str]:
        """Return what a person should know before the start, a sentence each."""
        record = self.record()
        rows, overlap, kept = record["rows"], record["overlap"], record["rows"]["kept"]
        out = []
        if rows["bad"]:
            kinds = ", ".join(f"{count:,} {_KINDS.get(kind, kind)}" for kind, count in record["bad"].items())
            out.append(f"{rows['bad']:,} of {rows['read']:,} rows cannot be used: {kinds}.")
        if rows["empty"]:
            out.append(f"{_of(rows['empty'], rows['read'])} left out: nothing in them is left to learn from.")
        if count := record["left_out"].get("unanswerable"):
            out.append(f"{_of(count, rows['read'])} left out: the documents do not answer them.")
        if record["duplicates"]:
            out.append(f"{_of(record['duplicates'], kept, 'repeat')} a row before, word for word.")
        if record["contradictions"]:
            out.append(f"{_of(record['contradictions'], kept, 'have')} the prompt of another row and another answer.")
        if record["cut"]["rows"]:
            part, total = record["tokens"]["cut"], record["tokens"]["total"]
            at = f" at {self._length:,} tokens" if self._length else ""
            out.append(
                f"{_of(record['cut']['rows'], rows['seen'])} cut{at}: {part:,} of {total:,} tokens"
                f" ({_percent(part, total)}) are not trained on."
            )
        if overlap["exact"]:
            out.append(f"{_of(overlap['exact'], kept, 'stand')} in the evaluation data, too: its figures will flatter.")
        if overlap["prompt"]:
            out.append(f"{_of(overlap['prompt'], kept, 'have')} the prompt of a row of the evaluation data.")
        return out

    def _place(self, place: Place) -> None:
        self._forms[place.form or "unknown"] += 1
        self._sources[place.source] += 1

    def _percentiles(self) -> Json:
        """Return the lengths that so many of 100 rows do not go beyond, and the longest."""
        out: Json = {}
        total, seen = self._counts["seen"], 0
        wanted = [(f"p{percent}", -(-total * percent // 100)) for percent in PERCENTILES]
        for length, count in sorted(self._lengths.items()):
            seen += count
            while wanted and seen >= wanted[0][1]:
                out[wanted.pop(0)[0]] = length
        return {**out, "max": max(self._lengths, default=0)} if total else {}

    def _longer(self, limit: int) -> int:
        return sum(count for length, count in self._lengths.items() if length > limit)

    def _duplicates(self) -> int:
        """Return how many rows have the content of a row before them."""
        import numpy as np

        return len(self._content) - len(np.unique(_numbers(self._content)))

    def _contradictions(self) -> int:
        """Return how many rows are asked what another row is, and answer something else."""
        import numpy as np

        asked, content = _numbers(self._asked), _numbers(self._content)
        asked, content = asked[asked != _NONE], content[asked != _NONE]
        if not len(asked):
            return 0
        different = np.unique(np.stack([asked, content], axis=1), axis=0)[:, 0]
        keys, counts = np.unique(different, return_counts=True)
        return int(np.isin(asked, keys[counts > 1]).sum())

    def _overlap(self) -> Json:
        """Return how many rows stand in the evaluation data, and how many others have a prompt that does."""
        import numpy as np

        exact = np.isin(_numbers(self._content), _numbers(self._eval_content))
        prompt = _numbers(self._prompt)
        prompted = np.isin(prompt, _numbers(self._eval_prompt)) & (prompt != _NONE) & ~exact
        return {"exact": int(exact.sum()), "prompt": int(prompted.sum())}


_KINDS = {
    "json": "not a JSON object", "form": "of no known form", "task": "for another task",
    "role": "with an unknown role", "turns": "with roles that do not take turns",
    "no_assistant": "without an assistant turn", "empty": "empty", "content": "with content that is no text",
    "tools": "with a broken tool call", "score": "without a score from 0 to 1",
    "same": "with the same text as right and wrong", "other": "broken",
}  # fmt: skip


def language(text: str) -> str:
    """Return the language of a text as far as its letters tell: zh, en (any that is written in Latin), or other.

    A fifth of the letters in Chinese are enough for zh, unless there is Japanese among them; ``none`` has no letters.
    """
    text = text[:_LETTERS]
    han, latin, letters = (len(pattern.findall(text)) for pattern in (_HAN, _LATIN, _LETTER))
    if not letters:
        return "none"
    if _KANA.search(text) or (han + latin) * 2 < letters:
        return "other"
    return "zh" if han * 4 >= latin else "en"


def _of(count: int, total: int, verb: str = "are") -> str:
    single = {"are": "is", "have": "has", "stand": "stands", "repeat": "repeats"}
    return f"{count:,} of {total:,} rows {single[verb] if count == 1 else verb}"


def _percent(part: int, total: int) -> str:
    share = 100 * part / total
    return f"{share:.0f} %" if share >= 1 else "less than 1 %"


def _most(counts: Counter[str]) -> Json:
    """Return counts, largest first; those beyond the first 50 together as ``…``."""
    out = dict(counts.most_common(_SHOWN))
    rest = sum(counts.values()) - sum(out.values())
    return {**out, "…": rest} if rest else out


def _numbers(values: array[int]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    import numpy as np

    return np.frombuffer(values, dtype=np.uint64) if values else np.zeros(0, dtype=np.uint64)


def _hash(*parts: str) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", part)).strip()
        digest.update(folded.encode("utf-8", "surrogatepass") + b"\0")
    return int.from_bytes(digest.digest(), "big") or 1


def _flat(messages: tuple[Message, ...]) -> list[str]:
    out = []
    for message in messages:
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        out += [message["role"], message["content"], dumps(calls).decode() if calls else ""]
    return out


def _hashes(row: Row) -> tuple[int, int, int]:
    """Return the hash of a row, of its prompt, and of what has one right answer; 0 for what it does not have."""
    if isinstance(row, ChatRow):
        parts = [dumps(row.tools).decode() if row.tools else "", *_flat(row.messages)]
        last = max(at for at, message in enumerate(row.messages) if message["role"] == "assistant")
        prompt = _hash(*parts[: 1 + 3 * last])
        return _hash(*parts), prompt, prompt
    if isinstance(row, TextRow):
        return _hash(row.text), _NONE, _NONE
    if isinstance(row, PreferenceRow):
        parts = _flat(row.messages)
        return _hash(*parts, row.chosen, row.rejected), _hash(*parts), _NONE
    if isinstance(row, PairRow):
        return _hash(row.query, row.positive, *row.negatives), _hash(row.query), _NONE
    assert isinstance(row, ScoredRow)
    return _hash(row.query, row.passage, f"{row.score:g}"), _hash(row.query), _hash(row.query, row.passage)


def _shown(row: Row) -> str:
    """Return the text that a row's language is seen from."""
    if isinstance(row, (ChatRow, PreferenceRow)):
        return "\n".join(message["content"] for message in row.messages if message["role"] != "system")
    if isinstance(row, TextRow):
        return row.text
    return f"{row.query}\n{row.positive if isinstance(row, PairRow) else row.passage}"
