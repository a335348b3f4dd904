"""The environments of LaTeX as blocks: lists, tables, formulas, theorems, bibliographies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragcli.loading.latex import names as names
from ragcli.loading.latex.sink import DEEPEST, DIMENSION, Sink
from ragcli.loading.latex.tokens import ENVIRONMENT
from ragcli.loading.markup import item, spread, table

if TYPE_CHECKING:
    from ragcli.loading.latex.text import Writer

_BETWEEN_ROWS = {"\\endfirsthead", "\\endhead", "\\endfoot", "\\endlastfoot", "\\hline", "\\toprule", "\\midrule",
                 "\\bottomrule"}  # fmt: skip


def written(writer: Writer, at: int, high: int, sink: Sink, depth: int) -> int:
    """Write the environment that begins at a token; return the token after it."""
    found = ENVIRONMENT.match(writer.tokens[at])
    assert found is not None
    name = found[2].strip()
    plain = name.rstrip("*")
    end = writer.pair.get(at) if found[1] == "begin" else None
    if found[1] == "end" or end is None or end > high or depth > DEEPEST:
        sink.flush()
        if found[1] == "begin" and (number := names.ARGUMENTS.get(name, names.TABLES.get(name))) is not None:
            return writer.skip_arguments(at + 1, high, number)
        return at + 1
    if plain in names.MATH:
        source = writer.source_of(at + 1, end)
        if plain not in ("equation", "displaymath", "math"):
            source = f"\\begin{{{name}}}\n{source}\n\\end{{{name}}}"
        writer.formula(source, sink, shown=plain != "math")
    elif name in names.TABLES:
        _table(writer, writer.skip_arguments(at + 1, end, names.TABLES[name]), end, sink, depth)
    elif name in names.LISTS:
        _list(writer, at + 1, end, name, sink, depth)
    elif name == "thebibliography":
        _bibliography(writer, at + 1, end, sink, depth)
    elif name in names.DRAWN:
        _drawing(writer, at + 1, end, sink, depth)
    else:
        _section_like(writer, at + 1, end, plain, sink, depth)
    return end + 1


def _drawing(writer: Writer, low: int, end: int, sink: Sink, depth: int) -> None:
    """The text in the nodes of a drawing."""
    sink.flush()
    in_node = False
    at = low
    while at < end:
        token = writer.tokens[at]
        if token == "{" and in_node and writer.pair.get(at, end) < end:
            writer.walk(at + 1, writer.pair[at], sink, depth + 1)
            sink.flush()
            at = writer.pair[at]
        elif "node" in token:
            in_node = True
        elif ";" in token:
            in_node = False
        elif token == "[" and in_node and (option := writer.option(at, end)):
            at = option[2] - 1
        at += 1


def _section_like(writer: Writer, low: int, end: int, name: str, sink: Sink, depth: int) -> None:
    """An environment whose text runs on, with a heading or a label before it where it has one."""
    sink.flush()
    prefix = ""
    if name == "frame":
        low = writer.skip_options(low, end)
        if group := writer.group(low, min(end, low + 2)):
            writer.heading(writer.inline(group[0], group[1], depth), "frametitle", sink)
            low = group[2]
    elif name == "abstract":
        level = writer.levels.get("section", writer.levels.get("chapter", 1))
        writer.put_heading("摘要" if writer.chinese else "Abstract", level, sink)
    elif name in ("keywords", "IEEEkeywords", "keyword"):
        prefix = "关键词：" if writer.chinese else "Keywords: "
    elif name in writer.theorems:
        prefix = writer.theorems[name]
        if option := writer.option(low, end):
            prefix += f" ({writer.inline(option[0], option[1], depth)})"
            low = option[2]
        prefix += ": "
    elif name in ("block", "alertblock", "exampleblock", "tcolorbox", "mdframed"):
        low = writer.skip_options(low, end)
        if name.endswith("block"):
            title, low = writer.argument(low, end, depth)
            if title:
                sink.blocks.append(f"**{title}**")
    else:
        low = writer.skip_arguments(low, end, names.ARGUMENTS.get(name, 0))
    inner = Sink()
    writer.walk(low, end, inner, depth + 1)
    inner.flush()
    if prefix and inner.blocks and not inner.blocks[0].startswith(("```", "$$", "- ", "|", "#")):
        inner.blocks[0] = prefix + inner.blocks[0]
    elif prefix:
        inner.blocks.insert(0, prefix.rstrip())
    sink.blocks += inner.blocks


def _list(writer: Writer, low: int, high: int, name: str, sink: Sink, depth: int) -> None:
    sink.flush()
    items: list[str] = []
    number = 0
    low = writer.skip_arguments(low, high, names.ARGUMENTS.get(name, 0))
    for mark, start, end in writer.parts(low, high, ("\\item", "\\question", "\\task")):
        label = ""
        if mark and (option := writer.option(start, end)):
            label = writer.inline(option[0], option[1], depth)
            start = option[2]
        inner = Sink()
        writer.walk(start, end, inner, depth + 1)
        inner.flush()
        if not mark:
            sink.blocks += inner.blocks
            continue
        number += 1
        prefix = f"{number}. " if names.LISTS[name] else "- "
        indent = " " * len(prefix)
        if label and name.startswith(("desc", "compactdesc")):
            prefix += f"{label.rstrip(':：')}: "
        elif label and label not in ("-", "--", "•", "*", "–", "$\\bullet$"):
            prefix = f"- {label} "
        items.append(item(prefix, inner.blocks, indent=indent))
    if items:
        sink.blocks.append("\n".join(items))


def _bibliography(writer: Writer, low: int, high: int, sink: Sink, depth: int) -> None:
    sink.flush()
    level = writer.levels.get("section", writer.levels.get("chapter", 1))
    writer.put_heading("参考文献" if writer.chinese else "References", level, sink)
    group = writer.group(low, high)
    items = []
    for mark, start, end in writer.parts(group[2] if group else low, high, ("\\bibitem",)):
        if mark:
            start = writer.skip_options(start, end)
            key = writer.group(start, end)
            writer.bibitems += 1
            text = writer.inline(key[2] if key else start, end, depth)
            items.append(f"[{writer.bibitems}] {text}")
        elif text := writer.inline(start, end, depth):
            items.append(text)
    sink.blocks += items


def _table(writer: Writer, low: int, high: int, sink: Sink, depth: int) -> None:
    sink.flush()
    rows: list[list[tuple[str, int, int]]] = []
    repeated = -1  # where the header of the pages after the first begins
    above: list[str] = []
    for _, start, end in writer.parts(low, high, ("\\\\", "\\tabularnewline", "\\\\*", "\\cr")):
        if (option := writer.option(start, end)) and DIMENSION.match(writer.source_of(option[0], option[1])):
            start = option[2]
        while (start := writer.skip_space(start, end)) < end and writer.tokens[start] in _BETWEEN_ROWS:
            if writer.tokens[start] == "\\endfirsthead":
                repeated = len(rows)
            elif writer.tokens[start] == "\\endhead" and repeated >= 0:
                del rows[repeated:]  # the same once more, for the pages after the first
                repeated = -1
            start = writer.skip_options(start + 1, end)
        rows.append([_cell(writer, first, last, above, depth) for _, first, last in writer.parts(start, end, ("&",))])
    sink.blocks += above
    drawn = table(spread(rows))
    if drawn:
        sink.blocks.append(drawn)


def _cell(writer: Writer, low: int, high: int, above: list[str], depth: int) -> tuple[str, int, int]:
    columns = 1
    at = low
    while at < high:
        at = writer.skip_space(at, high)
        token = writer.tokens[at] if at < high else ""
        if token in ("\\multicolumn", "\\multirow"):
            at = writer.skip_options(at + 1, high)
            group = writer.group(at, high)
            if group is None:
                break
            said = writer.source_of(group[0], group[1]).strip().lstrip("-")
            number = int(said) if said.isdecimal() and len(said) < 5 else 1
            columns = number if token == "\\multicolumn" else columns  # below, LaTeX writes blank cells itself
            at = writer.skip_options(group[2], high)
            second = writer.group(at, high)
            at = writer.skip_options(second[2], high) if second else at + 1
            if at < high and writer.tokens[at] == "{":  # a group may begin with the other of the two
                at += 1
        elif token in ("\\caption", "\\caption*"):
            text, at = writer.argument(writer.skip_options(at + 1, high), high, depth)
            if text:
                above.append(text)
        elif token.startswith("\\") and token[1:] in names.NO_TEXT and token != "\\textcolor":
            at = writer.skip_arguments(at + 1, high, names.NO_TEXT[token[1:]])
            if token == "\\cmidrule" and at < high and writer.tokens[at].lstrip().startswith("("):
                at = writer.skip_arguments(at + 1, high, 1)
        elif token in ("\\toprule", "\\midrule", "\\bottomrule", "\\hline"):
            at = writer.skip_options(at + 1, high)
        else:
            break
    return writer.inline(at, high, depth), columns, 1
