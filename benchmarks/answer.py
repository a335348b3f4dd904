"""How often the extractive answer holds a gold answer, and how often it refuses rightly, on CMRC 2018.

For each question: the top 5 of all passages (whole, as chunks) by BM25 over character pairs, so that no model is
needed. Settings were tuned on the questions of the even-numbered passages; the others are held out.

Peers, in the same run, on the same hits and the same 200 characters: the beginning of the first hit; and the sentence
of the hits that shares most character pairs with the question, with what follows it.

Prints one JSON line:
  containment   part of the questions whose passage was found, for which a quote holds a gold answer
  refused       part of these that are refused (wrongly)
  gone          part refused when the gold passage, and any of its title or much like it, is taken away (rightly)
  near          as gone, with only the gold passage taken away and those on its topic left in, of the questions that
                none of them answers (rightly)
  foreign       part refused when the hits are those of another question (rightly)
  seconds       a question, ours; and as a ratio to the second peer
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from ragcli.answering import Asked, Extractive
from ragcli.answering.terms import RUNS, fold, stem
from ragcli.records import Hit
from ragcli.splitting.sentences import sentence_spans

BUDGET = 200
SIMILAR = 0.35


def tokens(text: str) -> list[str]:
    """Return character pairs of Chinese and stems of words."""
    found: list[str] = []
    for match in RUNS.finditer(fold(text)):
        run = match.group()
        found += [stem(run)] if match.lastgroup == "word" else [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return found


class Passages:
    """All passages with a BM25 index (k1 1.2, b .75)."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.sets: list[set[str]] = []
        self.postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        counted = [Counter(tokens(f"{row['title']}\n{row['text']}")) for row in rows]
        mean = sum(map(Counter.total, counted)) / len(rows)
        for number, counts in enumerate(counted):
            self.sets.append(set(counts))
            length = 1.2 * (0.25 + 0.75 * counts.total() / mean)
            for term, n in counts.items():
                self.postings[term].append((number, n * 2.2 / (n + length)))

    def search(self, question: str, k: int) -> list[int]:
        """Return the numbers of the best passages."""
        scores: Counter[int] = Counter()
        for term in sorted(set(tokens(question))):
            held = self.postings.get(term, [])
            rarity = math.log(1 + (len(self.rows) - len(held) + 0.5) / (len(held) + 0.5))
            for number, weight in held:
                scores[number] += rarity * weight
        return [number for number, _ in scores.most_common(k)]

    def alike(self, one: int, other: int) -> bool:
        """Whether two passages are about the same thing."""
        shared = len(self.sets[one] & self.sets[other]) / min(len(self.sets[one]), len(self.sets[other]))
        return shared > SIMILAR or self.rows[one]["title"] == self.rows[other]["title"]

    def hits(self, numbers: list[int]) -> list[Hit]:
        """Return passages as hits."""
        return [
            Hit(
                id=row["_id"],
                document_id=row["_id"],
                source=row["_id"],
                text=row["text"],
                start=0,
                end=len(row["text"]),
                title=row["title"],
                rank=rank,
                score=1 / rank,
            )
            for rank, row in enumerate((self.rows[number] for number in numbers), 1)
        ]


def best_sentence(question: str, hits: list[Hit]) -> str:
    """Return 200 characters from the sentence on that shares most character pairs with the question."""
    asked = set(tokens(question))
    best = (-1, "")
    for hit in hits:
        for start, end in sentence_spans(hit.text):
            shared = len(asked & set(tokens(hit.text[start:end])))
            if shared > best[0]:
                best = (shared, hit.text[start : start + BUDGET])
    return best[1]


def measure(folder: Path) -> dict[str, Any]:
    """Return all figures."""
    passages = Passages([json.loads(line) for line in (folder / "corpus.jsonl").read_bytes().split(b"\n") if line])
    number = {row["_id"]: at for at, row in enumerate(passages.rows)}
    qrels = dict(line.split("\t")[:2] for line in (folder / "qrels.tsv").read_text("utf-8").split("\n")[1:] if line)
    questions = [json.loads(line) for line in (folder / "queries.jsonl").read_bytes().split(b"\n") if line]
    answerer = Extractive(BUDGET)
    sums: dict[str, Counter[str]] = {"tuned": Counter(), "held_out": Counter()}
    found = [passages.search(row["text"], 12) for row in questions]
    seconds = {"ours": 0.0, "sentence": 0.0}
    for at, row in enumerate(questions):
        gold = number[qrels[row["_id"]]]
        counts = sums["held_out" if gold % 2 else "tuned"]
        counts["questions"] += 1
        gone = passages.hits([one for one in found[at] if one != gold and not passages.alike(one, gold)][:5])
        counts["gone"] += answerer.reply(Asked(question=row["text"], hits=gone)).refused
        left = [one for one in found[at] if one != gold][:5]
        if not any(answer in passages.rows[one]["text"] for one in left for answer in row["answers"]):
            counts["near_questions"] += 1
            counts["near"] += answerer.reply(Asked(question=row["text"], hits=passages.hits(left))).refused
        # A fixed stride pairs each question with the hits of a far one, without chance.
        foreign = passages.hits(found[(at + len(questions) // 2) % len(questions)][:5])
        counts["foreign"] += answerer.reply(Asked(question=row["text"], hits=foreign)).refused
        if gold not in found[at][:5]:
            continue
        hits = passages.hits(found[at][:5])
        began = time.perf_counter()
        reply = answerer.reply(Asked(question=row["text"], hits=hits))
        between = time.perf_counter()
        sentence = best_sentence(row["text"], hits)
        seconds["ours"] += between - began
        seconds["sentence"] += time.perf_counter() - between
        if len(reply.text) > BUDGET:
            raise RuntimeError(f"an answer of {len(reply.text)} characters to {row['_id']}")
        quotes = [hits[quote.hit].text[quote.start : quote.end] for quote in reply.quotes]
        counts["found"] += 1
        counts["characters"] += 0 if reply.refused else len(reply.text)
        counts["refused"] += reply.refused
        for name, texts in (("ours", quotes), ("beginning", [hits[0].text[:BUDGET]]), ("sentence", [sentence])):
            counts[name] += any(answer in text for text in texts for answer in row["answers"])
    sums = {"all": sums["tuned"] + sums["held_out"], **sums}
    out: dict[str, Any] = {"benchmark": "answer", "questions": len(questions)}
    for half, counts in sums.items():
        out[half] = {
            "containment": round(counts["ours"] / counts["found"], 4),
            "peer_beginning": round(counts["beginning"] / counts["found"], 4),
            "peer_sentence": round(counts["sentence"] / counts["found"], 4),
            "refused": round(counts["refused"] / counts["found"], 4),
            "gone": round(counts["gone"] / counts["questions"], 4),
            "near": round(counts["near"] / counts["near_questions"], 4),
            "foreign": round(counts["foreign"] / counts["questions"], 4),
            "characters": round(counts["characters"] / (counts["found"] - counts["refused"])),
            "found": counts["found"],
        }
    out["seconds"] = {
        "ours": round(seconds["ours"] / sums["all"]["found"], 6),
        "ratio_to_peer_sentence": round(seconds["ours"] / seconds["sentence"], 2),
    }
    return out


def main() -> None:
    """Read the options and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "cmrc2018"
    parser.add_argument("--data", type=Path, default=default, help="folder with corpus, queries and qrels")
    print(json.dumps(measure(parser.parse_args().data)))


if __name__ == "__main__":
    main()
