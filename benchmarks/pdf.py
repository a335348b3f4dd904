"""PDF: milliseconds a page next to pypdf, pdfminer.six and pdfplumber, and which of pypdf's words we have.

Each reader runs in its own process, on one file after another, after a first file that is not counted; CPU time is
measured (of one thread), on up to --pages pages spread over each file. Ours does all that `ragcli load` does but OCR:
reading order, tables, headers, bookmarks, the judgement of each page. By files, each file weighs the same, and what
opening it costs falls on few pages; by pages, a file weighs as many times as it has pages.

    pip install pypdf pdfminer.six pdfplumber
    python benchmarks/pdf.py FILES_OR_FOLDERS
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

OURS = """
from ragcli.loading.pdf.document import read
from ragcli.loading.source import Options, Source
from ragcli.report import Report
def pages(path, most):
    report = Report("load")
    source = Source(path, options=Options(ocr="never", keep_headers=True), report=report, data=open(path, "rb").read())
    found = {}
    for document in read(source):
        if document.format == "pdf":
            found |= {span["page"]: document.text[span["start"]:span["end"]] for span in document.spans}
    return report.counts["pages_seen"], found
"""
PEERS = {
    "pypdf": """
import pypdf
def pages(path, most):
    pdf = pypdf.PdfReader(path)
    numbers = range(0, len(pdf.pages), max(1, len(pdf.pages) // most))
    return len(numbers), {n + 1: pdf.pages[n].extract_text() for n in numbers}
""",
    "pdfminer.six": """
from io import StringIO
from pdfminer.converter import TextConverter
from pdfminer.layout import LAParams
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage
def pages(path, most):
    with open(path, "rb") as file:
        every = list(PDFPage.get_pages(file))
        numbers = range(0, len(every), max(1, len(every) // most))
        found, manager = {}, PDFResourceManager()
        for n in numbers:
            out = StringIO()
            PDFPageInterpreter(manager, TextConverter(manager, out, laparams=LAParams())).process_page(every[n])
            found[n + 1] = out.getvalue()
    return len(numbers), found
""",
    "pdfplumber": """
import pdfplumber
def pages(path, most):
    with pdfplumber.open(path) as pdf:
        numbers = range(0, len(pdf.pages), max(1, len(pdf.pages) // most))
        return len(numbers), {n + 1: pdf.pages[n].extract_text() for n in numbers}
""",
}
MEASURE = """
import json, logging, sys, time, warnings
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
most = int(sys.argv[1])
for number, path in enumerate([sys.argv[2], *sys.argv[2:]]):
    began = time.process_time()
    try:
        count, found = pages(path, most)
    except Exception:
        count, found = 0, {}
    took = time.process_time() - began
    if number:
        sys.stdout.write(json.dumps({"path": path, "pages": count, "seconds": took, "text": found}) + "\\n")
"""
WORDS = re.compile(r"[A-Za-z0-9]{2,}|[\u4e00-\u9fff]")


def run(code: str, files: list[str], most: int) -> dict[str, dict]:
    """Return what a reader made of each file; empty where it is not installed."""
    done = subprocess.run(
        [sys.executable, "-c", code + MEASURE, str(most), *files], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return {row["path"]: row for row in map(json.loads, done.stdout.splitlines())}


def found(mine: dict[str, str], other: dict[str, str]) -> tuple[int, int]:
    """Count the peer's words, and those of them that our page has, cut words and all."""
    words = there = 0
    for page, text in other.items():
        ours = mine.get(page, "").lower()
        counts, joined = Counter(WORDS.findall(ours)), "".join(WORDS.findall(ours))
        for word, number in Counter(WORDS.findall(text.lower())).items():
            words += number
            there += number if word in joined and word not in counts else min(number, counts[word])
    return words, there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--pages", type=int, default=20, help="of a file, for the peers")
    options = parser.parse_args()
    files = sorted(str(file) for path in options.paths for file in (path.rglob("*.pdf") if path.is_dir() else [path]))
    ours = run(OURS, files, options.pages)
    figures: dict[str, object] = {"files": len(files)}
    for peer, code in PEERS.items():
        theirs = run(code, files, options.pages)
        both = [path for path in files if ours.get(path, {}).get("pages") and theirs.get(path, {}).get("text")]
        both = [path for path in both if any(text.strip() for text in theirs[path]["text"].values())]
        if not both:
            continue
        each = [[1000 * rows[path]["seconds"] / rows[path]["pages"] for path in both] for rows in (ours, theirs)]
        pages = [ours[path]["pages"] for path in both]
        weighed = [sum(n * one for n, one in zip(pages, some, strict=True)) for some in each]
        words = [found(ours[path]["text"], theirs[path]["text"]) for path in both]
        figures[peer] = {
            "files": len(both),
            "ms a page, ours": round(statistics.mean(each[0]), 2),
            "ms a page, theirs": round(statistics.mean(each[1]), 2),
            "times as fast, median file": round(statistics.median(b / a for a, b in zip(*each, strict=True)), 1),
            "times as fast, by files": round(sum(each[1]) / sum(each[0]), 1),
            "times as fast, by pages": round(weighed[1] / weighed[0], 1),
            "their words": sum(one for one, _ in words),
            "of these ours": round(sum(one for _, one in words) / max(1, sum(one for one, _ in words)), 4),
        }
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
