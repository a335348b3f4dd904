# ruff: noqa: E501  the bytes of files stand on one line each
"""Loaders under broken input: real files, mutated, through the processes that `ragcli load` uses.

What must never come of it: a fault of ragcli's own (an exception that nobody expected), a dead process, a file that
takes longer than its time or more than its memory, a document whose spans are wrong, counts that do not add up.

    python tests/fuzz_loading.py --minutes 10 --seeds FOLDER pdf docx …     # each format by itself
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ragcli.loading.formats import FORMATS, identify
from ragcli.loading.pool import Pool
from ragcli.loading.source import Options, Source
from ragcli.loading.worker import Settings, Task
from ragcli.records import Document
from ragcli.report import Report

HERE = Path(__file__).parent / "data"
SEEDS = (HERE / "docs", HERE / "loading")
MOST_SEEDS = 60
LARGEST = 400_000  # bytes of a seed
SECONDS = 20.0  # without a sign of life
MEMORY = 2 << 30  # bytes
ODD = [
    *(b"", b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"-1", b"0", b"4294967296", b"9" * 30, b"<", b">", b"&"),
    *(b'"', b"]]>", b"<!--", b"{", b"}", b"\\", b"(", b")", b"[", b"]", b"/", b"%", b"\n", b"\r\n", b"\t", b" "),
    *(b"\xef\xbb\xbf", "中".encode(), "中".encode("gbk"), b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"endobj", b"stream"),
    *(b"</a:p>", b"<w:p/>", b"{\\rtf1", b"\\par", b"::", b"|===", b"\\begin{table}", b"\\newcommand", b"From "),
    b"Content-Type: ",
]  # fmt: skip

# For formats of which no real file lies beside the tests, a file that shows what they can hold.
WRITTEN = {
    "json": b'[{"title": "\xe6\x89\x8b\xe5\x86\x8c", "text": "words", "more": {"a": [1, 2.5, null, true]}}]',
    "jsonl": b'{"text": "one", "id": "1"}\n{"text": "two", "title": "T"}\n{"question": "q"}\n',
    "text": "保修期为十二个月。\nTwelve months.\n".encode("gb18030"),
    "code": b"#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\ndef f(x):\n    return x  # comment\n",
    "ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# A\\n", "b"]}, {"cell_type": "code", "source": "1+1",'
             b' "outputs": [{"output_type": "stream", "text": ["2"]}]}], "metadata": {}, "nbformat": 4}',
    "subtitles": b"1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld\n",
    "eml": b"From: a@example.org\nTo: b@example.org\nSubject: =?gb2312?B?1tDOxA==?=\nMIME-Version: 1.0\n"
           b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain; charset=gbk\n\n\xd6\xd0\n--x\n'
           b'Content-Type: text/csv; name="a.csv"\nContent-Disposition: attachment; filename="a.csv"\n\na,b\n1,2\n--x--\n',
    "mbox": b"From a@example.org Thu Jan  1 00:00:00 2026\nFrom: a@example.org\nSubject: One\nDate: x\n\nBody.\n\n"
            b"From b@example.org Thu Jan  1 00:00:00 2026\nFrom: b@example.org\nSubject: Two\nTo: c\n\nBody.\n",
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY n "v">]><a x="1"><b>text &n; <i>in</i> it</b><c/><d k="v"/></a>',
    "latex": rb"\documentclass{article}\newcommand{\x}[1]{<#1>}\begin{document}\section{A}\x{b} \textbf{c} $a^2$"
             rb"\begin{tabular}{ll}a&b\\c&d\end{tabular}\begin{itemize}\item e\end{itemize}\cite{k}\end{document}",
    "rst": b"Title\n=====\n\n.. note:: words\n\n+---+---+\n| a | b |\n+===+===+\n| c | d |\n+---+---+\n\n"
           b"a `link <http://e.org>`_ |x| [1]_\n\n.. |x| replace:: y\n.. [1] note\n",
    "asciidoc": b"= Title\nAuthor <a@e.org>\n:x: y\n\n{x} *bold*\n\n[cols=2*]\n|===\n|a |b\n2+|c\n|===\n\n----\nc\n----\n",
}  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return data with a few places changed; a ZIP file in one of its members as often as in its bytes."""
    if data[:4] == b"PK\x03\x04" and chance.random() < 0.8:
        return _in_member(data, chance)
    return _bytes(data, chance)


def _bytes(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10, 30))):
        size = len(out)
        at = chance.randrange(size + 1)
        length = min(chance.choice((1, 1, 2, 4, 8, 16, 64, 256, 1024)), size - at)
        kind = chance.randrange(8)
        if kind == 0:
            del out[at : at + length]
        elif kind == 1:
            out[at:at] = chance.choice(ODD)
        elif kind == 2:
            out[at : at + length] = chance.choice(ODD)
        elif kind == 3 and size:
            out[at : at + length] = bytes(chance.randrange(256) for _ in range(length))
        elif kind == 4 and size:
            other = chance.randrange(size)
            out[at:at] = out[other : other + length]
        elif kind == 5 and size:
            part = bytes(out[at : at + length])
            out[at:at] = part * min(chance.choice((2, 10, 100, 1000)), 200_000 // (length + 1))
        elif kind == 6 and at < size:
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 7 and chance.random() < 0.3:
            del out[at:]
    return bytes(out)


def _in_member(data: bytes, chance: random.Random) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001  whatever a broken file raises
        return _bytes(data, chance)
    out = io.BytesIO()
    targets = [
        at for at, (name, _) in enumerate(members) if name.endswith((".xml", ".rels", ".xhtml", ".opf", ".html"))
    ]
    target = chance.choice(targets) if targets else chance.randrange(len(members))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for at, (name, content) in enumerate(members):
            if at != target:
                archive.writestr(name, content)
            elif chance.random() < 0.95:
                archive.writestr(name, _bytes(content, chance))
    return out.getvalue()


def seeds(name: str, folders: Sequence[Path] = SEEDS) -> list[tuple[str, bytes]]:
    """Return (file name, bytes) of the real files of a format."""
    found: list[tuple[str, bytes]] = [(name, WRITTEN[name])] if name in WRITTEN else []
    if name in ("zip", "tar"):
        found.append((name, _archive(name)))
    if name == "pptx":
        found.append((name, _presentation()))
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if len(found) >= MOST_SEEDS:
            break
        if not path.is_file() or path.stat().st_size > LARGEST or not path.stat().st_size:
            continue
        try:
            source = Source(str(path), options=Options(), report=Report("load"), path=path)
            if identify(source).name == name:
                found.append((path.name, path.read_bytes()))
        except Exception:  # noqa: BLE001  no seed then
            continue
    return found


def _archive(name: str) -> bytes:
    out = io.BytesIO()
    if name == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for row, data in WRITTEN.items():
                archive.writestr(f"文/{row}.{row}", data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as made:
            for row, data in WRITTEN.items():
                info = tarfile.TarInfo(f"文/{row}.{row}")
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _presentation() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "标题"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(1, 1).text = "a", "b"
    slide.notes_slide.notes_text_frame.text = "notes"
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


class Bench:
    """One process that reads what it is given, and says what went wrong."""

    def __init__(self, ocr: str = "never") -> None:
        self._soffice = os.environ.get("RAGCLI_SOFFICE", "")
        os.environ["RAGCLI_SOFFICE"] = "/nonexistent"  # it takes seconds a file, and is another program
        self._pool = Pool(1, Settings(memory=MEMORY, threads=1), SECONDS)
        self._options = Options(ocr=ocr)  # type: ignore[arg-type]
        self.ends: Counter[str] = Counter()
        self._runs = 0

    def faults(self, name: str, data: bytes, row: str) -> Iterator[str]:
        """Read a file; yield what must not be."""
        counts: Counter[str] = Counter()
        self._runs += 1
        known = row if self._runs % 4 else None  # else it is found out what it is, too
        ticket = self._pool.submit(Task(name, known, self._options, None, data, True, None, None))
        for event in ticket.events(threading.Event()):
            if event[0] == "count":
                counts[event[1]] += event[2]
            elif event[0] == "document":
                yield from _wrong(event[1])
            elif "a fault in ragcli" in event[3] or "more memory than" in event[3]:
                yield event[3]
        if ticket.lost is not None:
            yield ticket.lost
        else:
            for what in ("files", "pages", "parts", "images"):
                kinds = [counts[f"{what}_{kind}"] for kind in ("loaded", "failed", "skipped")]
                if counts[f"{what}_seen"] != sum(kinds) or (what == "files" and sum(kinds) != 1):
                    yield f"the counts of {what} do not add up: {dict(counts)}"
        self.ends["loaded" if counts["files_loaded"] else "failed" if counts["files_failed"] else "skipped"] += 1

    def close(self) -> None:
        self._pool.close()
        os.environ["RAGCLI_SOFFICE"] = self._soffice  # empty is as if it were not set


def _wrong(document: Document) -> Iterator[str]:
    before = 0
    for span in document.spans:
        if not before <= span["start"] <= span["end"] <= len(document.text):
            yield f"a span is wrong: {span} of {len(document.text)} characters after {before}"
            return
        before = span["start"]
    try:
        Document.from_dict(json.loads(json.dumps(document.to_dict())))
    except Exception as error:  # noqa: BLE001  that is what is looked for
        yield f"the record cannot be read again: {error}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fuzz(row: str, minutes: float, folders: Sequence[Path], seed: int, keep: Path) -> int:
    """Mutate files of a format for some minutes; keep and print each new fault. Return their number."""
    files = seeds(row, folders)
    if not files:
        _say(f"{row}: no real file")
        return 0
    chance = random.Random(seed)
    bench = Bench()
    seen: set[str] = set()
    runs, slowest = 0, 0.0
    until = time.monotonic() + minutes * 60
    while time.monotonic() < until:
        name, data = chance.choice(files)
        made = mutated(data, chance)
        start = time.monotonic()
        for fault in bench.faults(name, made, row):
            sign = "".join(char for char in fault if not char.isdigit())[:90]
            if sign not in seen:
                seen.add(sign)
                place = keep / f"{row}-{len(seen)}-{name}"
                place.write_bytes(made)
                _say(f"{row}: {fault}  [{place}]")
        slowest = max(slowest, time.monotonic() - start)
        runs += 1
    bench.close()
    _say(
        f"{row}: {runs} runs of {len(files)} files, {dict(bench.ends)}, slowest {slowest:.1f} s, {len(seen)} faults",
    )
    return len(seen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=[row.name for row in FORMATS])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=Path, action="append", default=list(SEEDS), help="folders of real files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="where faulty files go")
    options = parser.parse_args()
    options.keep.mkdir(exist_ok=True)
    return sum(fuzz(row, options.minutes, options.seeds, options.seed, options.keep) for row in options.formats)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
