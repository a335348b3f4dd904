"""Markdown: the text as it is, front matter into metadata, the title from there or from the first heading."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from ragcli.loading.source import Source
from ragcli.records import Document

_YAML = re.compile(r"---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?\n)??\+\+\+[ \t]*(?:\n|$)", re.S)
_KEY = re.compile(r"([A-Za-z_\u4e00-\u9fff](?:[\w .-]*[\w.-])?)\s*:(?:\s+(.*))?$")
_YAML_COMMENT = re.compile(r"(?<!\s)\s+#.*$")
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*)?")
_LONG = 500  # characters: no title is longer
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def read(source: Source) -> Iterator[Document]:
    """Yield the file as one document.

    Raises:
        LoadError: it is not text.
    """
    found = source.text()
    metadata, text = front_matter(found.text)
    if not text.strip():
        text, metadata = found.text, {}
    if not text.strip():
        return
    title = metadata.pop("title", None)
    if found.encoding != "utf-8":
        metadata.setdefault("encoding", found.encoding)
    yield source.document(text, format="markdown", title=str(title) if title else heading(text), metadata=metadata)


def heading(text: str) -> str | None:
    """Return the first heading outside code, without its marks."""
    fence = ""
    before = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            found = _ATX.fullmatch(line)
            if found is None and before.strip() and re.fullmatch(r" {0,3}(=+|-+)[ \t]*", line):
                return _plain(before)
            if found and found[1]:
                return _plain(_open(found[1]))
        before = "" if fence or line.startswith(("    ", "\t", "|", "-", "*", ">")) else line
    return None


def _open(text: str) -> str:
    """Return a heading without the marks that close it."""
    text = text.rstrip()
    bare = text.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else text


def _plain(text: str) -> str:
    return re.sub(r"[*`]|(?<!\w)__?|__?(?!\w)", "", _LINK.sub(r"\1", text[:_LONG])).strip()


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split YAML (``---``) or TOML (``+++``) front matter from a text: (values, the rest).

    Of YAML, plain values and lists of them are read; a nested value stays the text it was. A block that is
    neither is no front matter, and stays.
    """
    if (found := _TOML.match(text)) is not None:
        values = _toml(found[1] or "")
    elif (found := _YAML.match(text)) is not None:
        values = _yaml(found[1] or "")
    else:
        return {}, text
    if values is None:
        return {}, text
    return values, text[found.end() :].lstrip("\n")


def _toml(block: str) -> dict[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(block)
    except tomllib.TOMLDecodeError:
        return None
    return {key: value if isinstance(value, (str, int, float, list, dict)) else str(value)
            for key, value in values.items() if not _dated(value)}  # fmt: skip


def _dated(value: Any) -> bool:
    """Whether a list or table of TOML holds what JSON cannot."""
    if isinstance(value, dict):
        return any(_dated(item) or hasattr(item, "isoformat") for item in value.values())
    if isinstance(value, list):
        return any(_dated(item) or hasattr(item, "isoformat") for item in value)
    return False


def _yaml(block: str) -> dict[str, Any] | None:
    values: dict[str, Any] = {}
    key = None
    for line in block.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith((" ", "\t", "-")):
            found = _KEY.match(line.rstrip())
            if found is None:
                return None
            key = found[1]
            values[key] = _scalar(found[2] or "")
        elif key is None:
            return None
        elif line.lstrip().startswith("- ") and (values[key] == "" or isinstance(values[key], list)):
            values[key] = [*(values[key] or []), _scalar(line.lstrip()[2:])]
        elif isinstance(values[key], list):
            values[key][-1] = f"{values[key][-1]} {line.strip()}"
        else:
            before = "" if values[key] in ("", "|", ">", "|-", ">-") else f"{values[key]}\n"
            values[key] = f"{before}{line.strip()}"
    return values


def _scalar(text: str) -> Any:
    text = text.strip()
    if text[:1] in "\"'" and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1]
    text = _YAML_COMMENT.sub("", text)
    if text.startswith("[") and text.endswith("]") and "[" not in text[1:]:
        return [_scalar(item) for item in text[1:-1].split(",") if item.strip()]
    if text in ("true", "false"):
        return text == "true"
    if text in ("null", "~"):
        return None
    return text
