"""OCR: the character error rate and the seconds a page, on scans made from known text.

Pages are A4 with 12 pt text, drawn with a real font, then turned by about a degree, blurred, made noisy and pressed
as JPEG, as a scanner does. The rate is the edit distance to the known text over its length, after NFKC (full-width
and half-width punctuation count as the same); white space counts as one space, none next to Chinese.

    pip install 'ragcli[ocr]'
    python benchmarks/ocr.py --corpus ../shared/data/cmrc2018/corpus.jsonl --font NotoSerifCJK-Regular.ttc
"""

from __future__ import annotations

import argparse
import io
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ragcli.loading import ocr

RAGCLI = Path(sys.executable).with_name("ragcli")
A4 = (8.27, 11.69)  # inches
MARGIN = 0.98
_CJK = r"[\u2e80-\u9fff\uf900-\ufaff\u3000-\u303f]"
_CLOSING = "，。、；：？！）》」』】〉”’,.;:?!)"


class Page:
    """Draws paragraphs on a white page, and knows what it drew."""

    def __init__(self, font: str, dpi: int, points: float = 12) -> None:
        self.dpi = dpi
        self.size = (int(A4[0] * dpi), int(A4[1] * dpi))
        self.image = Image.new("L", self.size, 246)
        self.draw = ImageDraw.Draw(self.image)
        self.font_path = font
        self.font = ImageFont.truetype(font, round(points * dpi / 72))
        self.step = round(points * dpi / 72 * 1.55)
        self.said: list[str] = []

    def heading(self, text: str, top: float) -> None:
        """A line in the middle, in larger letters."""
        font = ImageFont.truetype(self.font_path, round(18 * self.dpi / 72))
        width = font.getlength(text)
        self.draw.text(((self.size[0] - width) / 2, top * self.dpi), text, 30, font)
        self.said.append(text)

    def column(self, paragraphs: Iterator[str], left: float, top: float, width: float, height: float) -> None:
        """Fill a column (inches) with paragraphs; the last one is cut where it is full."""
        y, bottom, room = top * self.dpi, (top + height) * self.dpi, width * self.dpi
        for paragraph in paragraphs:
            lines = self._wrapped(paragraph, room, indent=2 * self.font.size)
            kept = lines[: max(0, int((bottom - y) // self.step))]
            for n, line in enumerate(kept):
                x = left * self.dpi + (2 * self.font.size if n == 0 else 0)
                self.draw.text((x, y), line, 40, self.font)
                y += self.step
            if kept:
                self.said.append("".join(kept) if re.search(_CJK, paragraph) else " ".join(kept))
            if len(kept) < len(lines):
                return
            y += self.step * 0.3

    def _wrapped(self, text: str, room: float, indent: float) -> list[str]:
        units = re.findall(rf"{_CJK}|\s+|[^\s\u2e80-\u9fff\uf900-\ufaff]+", text)
        lines, line, left = [], "", room - indent
        for unit in units:
            if line and unit not in _CLOSING and self.font.getlength(line + unit.rstrip()) > left:
                lines.append(line.rstrip() if not re.search(_CJK, line) else line)
                line, left = "", room
            line += unit if line else unit.lstrip()
        return [*lines, line] if line else lines

    def table(self, rows: list[list[str]], left: float, top: float, widths: list[float]) -> None:
        """A table with rules."""
        height = self.step * 1.5
        edges = np.cumsum([left, *widths]) * self.dpi
        for n, row in enumerate(rows):
            y = top * self.dpi + n * height
            for k, cell in enumerate(row):
                box = (edges[k], y, edges[k + 1], y + height)
                self.draw.rectangle(box, outline=60, width=max(1, self.dpi // 100))
                self.draw.text((edges[k] + self.step * 0.3, y + height * 0.22), cell, 40, self.font)
            self.said.append(" ".join(row))

    def scanned(self, seed: int, *, skew: float = 1.0, turn: int = 0) -> Image.Image:
        """The page as a scanner gives it back."""
        random = np.random.default_rng(seed)
        page = self.image.rotate(random.choice([-1, 1]) * skew, Image.Resampling.BICUBIC, fillcolor=246)
        page = page.filter(ImageFilter.GaussianBlur(0.6 * max(1, self.dpi / 200)))
        noisy = np.asarray(page, np.float32) + random.normal(0, 12, page.size[::-1])
        page = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).rotate(-turn, expand=True)
        pressed = io.BytesIO()
        page.save(pressed, "JPEG", quality=80)
        return Image.open(pressed).convert("RGB")


def plain(text: str) -> str:
    """What is compared: NFKC, white space as one space, none next to Chinese, no Markdown of tables."""
    text = re.sub(r"^\|(?: --- \|)+$", "", text, flags=re.M).replace("|", " ")
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()
    return re.sub(rf" (?={_CJK})|(?<={_CJK}) ", "", text)


def distance(one: str, other: str) -> int:
    """Levenshtein's edit distance, a row at a time."""
    codes = np.array([ord(c) for c in other], dtype=np.int64)
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for n, char in enumerate(one, 1):
        best = np.minimum(row[:-1] + (codes != ord(char)), row[1:] + 1)
        row = np.concatenate([[n], best])
        row = np.minimum.accumulate(row - steps) + steps
    return int(row[-1])


def pages(options: argparse.Namespace, dpi: int) -> Iterator[tuple[str, Image.Image, str]]:
    """Each kind of page: its name, the scan and its text."""
    texts = [json.loads(line)["text"] for line in options.corpus.read_bytes().split(b"\n") if line]
    latin = [text for text in texts if 0.15 < sum(c.isascii() and c.isalnum() for c in text) / len(text) < 0.5]
    english = [" ".join(block.split()) for block in options.english.read_text().split("\n\n") if len(block) > 200]
    wide, high = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN

    def made(source: list[str], at: int) -> Page:
        page = Page(options.font, dpi)
        page.column(iter(source[at:] + source[:at]), MARGIN, MARGIN, wide, high)
        return page

    def done(kind: str, page: Page, seed: int, **how: float) -> tuple[str, Image.Image, str]:
        return kind, page.scanned(seed, **how), "\n\n".join(page.said)

    for n in range(options.pages):
        yield done("Chinese", made(texts, 40 * n), n)
        yield done("mixed", made(latin, 4 * n), n)
        yield done("English", made(english, 5 * n), n)
        page = Page(options.font, dpi, 10.5)
        page.heading("关于文字识别的一份两栏报告", MARGIN)
        half = (wide - 0.35) / 2
        page.column(iter(texts[50 * n + 7 :]), MARGIN, MARGIN + 0.5, half, high - 0.5)
        page.column(iter(texts[50 * n + 29 :]), MARGIN + half + 0.35, MARGIN + 0.5, half, high - 0.5)
        yield done("two columns", page, n)
        for turn in (90, 180, 270):
            yield done("turned", made(texts, 40 * n + turn), n, turn=turn)
        yield done("skewed 4", made(texts, 40 * n + 20), n, skew=4.0)
        page = Page(options.font, dpi)
        page.column(iter(texts[60 * n + 5 :]), MARGIN, MARGIN, wide, 2.5)
        page.table(
            [["年度", "营业收入", "净利润", "备注"], ["2021", "1,234,567.89", "98,765.40", "已审计"],
             ["2022", "2,345,678.90", "-12,300.00", "亏损"], ["2023", "3,456,789.01", "230,456.78", "预测 Q4"]],
            MARGIN, 4, [1.2, 1.9, 1.7, 1.4])  # fmt: skip
        page.column(iter(texts[60 * n + 25 :]), MARGIN, 6, wide, 3)
        yield done("table", page, n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="JSON Lines with a Chinese text a line")
    parser.add_argument("--english", type=Path, default=Path("LICENSE"), help="paragraphs of English text")
    parser.add_argument("--font", required=True, help="a font file with Chinese and Latin letters")
    parser.add_argument("--dpi", type=int, nargs="+", default=[300, 150])
    parser.add_argument("--pages", type=int, default=2, help="of each kind")
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--only", nargs="+", help="these kinds of pages only")
    parser.add_argument("--wrong", action="store_true", help="print what was read where it is wrong")
    parser.add_argument("--cli", action="store_true", help="also a PDF of scans through `ragcli load`")
    options = parser.parse_args()
    ocr.recognize(np.full((64, 64, 3), 255, np.uint8))  # loads the models
    for dpi in options.dpi:
        every = [page for page in pages(options, dpi) if not options.only or page[0] in options.only]
        for threads in options.threads:
            ocr.threads(threads)
            ocr.recognize(np.asarray(every[0][1]), dpi=dpi)
            figures: dict[str, list[tuple[int, int, float, float]]] = {}
            for kind, image, said in every:
                start = time.perf_counter()
                found = ocr.recognize(np.asarray(image), dpi=dpi)
                seconds = time.perf_counter() - start
                wrong = distance(plain(found.text), plain(said))
                figures.setdefault(kind, []).append((wrong, len(plain(said)), seconds, found.confidence))
                if options.wrong and wrong:
                    print(f"--- {kind} {dpi} dpi, {wrong} wrong\n{found.text}\n--- said\n{said}", file=sys.stderr)
            for kind, rows in figures.items():
                wrong, length, seconds, sure = (sum(column) for column in zip(*rows, strict=True))
                row = {"kind": kind, "dpi": dpi, "threads": threads, "pages": len(rows),
                       "CER %": round(100 * wrong / length, 2), "seconds/page": round(seconds / len(rows), 2),
                       "confidence": round(sure / len(rows), 3)}  # fmt: skip
                print(json.dumps(row, ensure_ascii=False), flush=True)
        if options.cli:
            print(json.dumps(through_cli(every, dpi), ensure_ascii=False), flush=True)
    print(json.dumps({"peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def through_cli(every: list[tuple[str, Image.Image, str]], dpi: int) -> dict[str, object]:
    """Load all pages as one PDF, in a fresh process."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "scan.pdf"
        images = [image for _, image, _ in every]
        images[0].save(path, save_all=True, append_images=images[1:], resolution=dpi)
        start = time.perf_counter()
        out = subprocess.run([RAGCLI, "load", path], stdout=subprocess.PIPE, check=True).stdout
        seconds = time.perf_counter() - start
    text = "\n\n".join(json.loads(line)["text"] for line in out.split(b"\n") if line)
    said = plain("\n\n".join(said for _, _, said in every))
    wrong = distance(plain(text), said)
    return {"kind": "all as one PDF, ragcli load", "dpi": dpi, "pages": len(every),
            "CER %": round(100 * wrong / len(said), 2), "seconds/page": round(seconds / len(every), 2)}  # fmt: skip


if __name__ == "__main__":
    main()
