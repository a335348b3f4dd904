"""What people see of tables: what is there, what one is, and its versions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ragcli.cli.display import View
from ragcli.cli.display_models import gigabytes
from ragcli.cli.streams import visible
from ragcli.records import Json


def show_tables(records: Sequence[Json]) -> None:
    """Show the tables of a database."""
    if not records:
        return
    table = Table("table", "chunks", "size", "versions", "changed", "model", box=None, pad_edge=False)
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for one in records:
        if "fault" in one:
            table.add_row(visible(one["name"]), "", "", "", "", visible(one["fault"]), style="red")
        else:
            table.add_row(
                visible(one["name"]), f"{one['rows']:,}", gigabytes(one["bytes"]), f"{one['versions']:,}",
                one["changed"], visible(str(one["model"])),
            )  # fmt: skip
    View().print(table)


def show_table(records: Sequence[Json]) -> None:
    """Show one table."""
    (one,) = records
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()

    def row(name: str, text: str) -> None:
        table.add_row(name, visible(text))

    row("table", f"{one['name']} in {one['db']}")
    row("chunks", f"{one['rows']:,} of {one['documents']:,} documents from {one['sources']:,} sources")
    size = gigabytes(one["bytes"])
    if one["bytes_on_disk"] is not None:
        size += f"; with old versions {gigabytes(one['bytes_on_disk'])} in {one['files']:,} files"
    row("size", f"{size}; {one['fragments']:,} fragments")
    model = one["contract"].get("model") or {}
    row("model", f"{model.get('id')}, {model.get('dimension')} dimensions, hash {str(model.get('hash'))[:12]}")
    row("splitter", str(one["contract"].get("splitter")))
    row("headings", "embedded" if one["contract"].get("headings") else "not embedded")
    index = one["index"]
    state = "none: every vector is read" if index["kind"] is None else str(index["kind"])
    row("vectors", f"{state} (wanted: {index['wanted']})")
    for each in one["indexes"]:
        parts = f", {each['parts']} parts" if each["parts"] > 1 else ""
        unindexed = f", {each['unindexed']:,} rows not in it yet" if each["unindexed"] else ""
        row("index", f"{each['name']}: {each['kind']}, {gigabytes(each['bytes'])}{parts}{unindexed}")
    row("versions", f"{one['versions']:,}, the newest {one['version']}, the oldest of {one['oldest']}")
    if one["tags"]:
        row("tags", ", ".join(f"{name} (version {number})" for name, number in one["tags"].items()))
    View().print(table)


def show_versions(records: Sequence[Json]) -> None:
    """Show the versions of a table."""
    table = Table("version", "time", "chunks", "tags", box=None, pad_edge=False)
    for column in (0, 2):
        table.columns[column].justify = "right"
    for one in records:
        table.add_row(str(one["version"]), one["time"], f"{one['rows']:,}", visible(", ".join(one["tags"])))
    View().print(table)


def show_deleted(records: Sequence[Json]) -> None:
    """Show what was deleted."""
    (one,) = records
    would = "would be" if one.get("dry_run") else "are"
    View().print(
        f"{one['rows']:,} chunks of {visible(one['table'])} {would} deleted; version {one['version']} has them."
    )
