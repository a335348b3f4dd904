"""A writer of compound files (OLE), for messages of Outlook: no library under a free licence writes them."""

from __future__ import annotations

import struct

SECTOR, SMALL, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(tree: dict) -> bytes:
    """Write a compound file; a dict is a storage, bytes are a stream."""
    entries: list[list] = [["Root Entry", 5, [], b""]]

    def add(parent: int, items: dict) -> None:
        for name, value in items.items():
            at = len(entries)
            entries[parent][2].append(at)
            if isinstance(value, dict):
                entries.append([name, 1, [], b""])
                add(at, value)
            else:
                entries.append([name, 2, [], value])

    add(0, tree)
    body, small = bytearray(), bytearray()
    chains, small_chains, firsts = [], [], {}  # chains: (first sector, sectors)
    for at, (_, kind, _, data) in enumerate(entries):
        if kind == 2 and data:
            into, unit, known = (small, SMALL, small_chains) if len(data) < CUTOFF else (body, SECTOR, chains)
            count = -(-len(data) // unit)
            known.append((len(into) // unit, count))
            firsts[at] = len(into) // unit
            into += data.ljust(count * unit, b"\0")
    entries[0][3] = bytes(small)
    table = _table(small_chains, -(-len(small) // SMALL // 128) * 128 or 128)
    for content in (small, struct.pack(f"<{len(table)}I", *table)):
        count = -(-len(content) // SECTOR)
        chains.append((len(body) // SECTOR, count))
        body += bytes(content).ljust(count * SECTOR, b"\0")
    firsts[0] = chains[-2][0]
    small_table = chains[-1]
    directory = bytearray()
    links = _linked(entries)
    for at, (name, kind, children, data) in enumerate(entries):
        raw = (name + "\0").encode("utf-16-le")
        first = firsts.get(at, END if kind != 1 else 0)
        child = _middle(sorted(children, key=lambda one: _order(entries[one][0])))
        directory += raw.ljust(64, b"\0") + struct.pack("<HBB3I", len(raw), kind, 1, *links[at], child)
        directory += bytes(36) + struct.pack("<IQ", first, len(data))
    directory = directory.ljust(-(-len(directory) // SECTOR) * SECTOR, b"\0")
    start, count = len(body) // SECTOR, len(directory) // SECTOR
    body += directory
    chains.append((start, count))
    used = len(body) // SECTOR
    tables = 1
    while tables * 128 < used + tables:
        tables += 1
    assert tables <= 109
    fat = _table(chains, tables * 128)
    fat[used : used + tables] = [FAT] * tables
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, tables, start, 0, CUTOFF, *small_table, END, 0)
    places = [used + at if at < tables else FREE for at in range(109)]
    return head + struct.pack("<109I", *places) + bytes(body) + struct.pack(f"<{len(fat)}I", *fat)


def _table(chains: list[tuple[int, int]], length: int) -> list[int]:
    """What follows each sector."""
    table = [FREE] * length
    for first, count in chains:
        for sector in range(first, first + count):
            table[sector] = sector + 1 if sector < first + count - 1 else END
    return table


def _order(name: str) -> tuple[int, str]:
    return len(name), name.upper()


def _middle(ordered: list[int]) -> int:
    return ordered[len(ordered) // 2] if ordered else FREE


def _linked(entries: list[list]) -> dict[int, tuple[int, int]]:
    """Left and right sibling of each entry, as balanced trees."""
    links = {0: (FREE, FREE)}

    def tree(ordered: list[int]) -> None:
        if ordered:
            half = len(ordered) // 2
            left, right = ordered[:half], ordered[half + 1 :]
            links[ordered[half]] = (_middle(left), _middle(right))
            tree(left)
            tree(right)

    for _, _, children, _ in entries:
        tree(sorted(children, key=lambda one: _order(entries[one][0])))
    return links
