"""XLS: a span a sheet, with its name as heading; cells as they are shown, tables as Markdown.

xlrd reads the cells: it tells number formats, which python-calamine does not, and reads Excel 2.0 to 2003. It gets the
stream of the workbook, taken out of its container by olefile, decrypted, and closed where the file is cut off.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.errors import LoadError
from ragcli.loading.encodings import canonical, choose
from ragcli.loading.ocr.pictures import Pictures, with_pictures
from ragcli.loading.office.compound import compound, summary
from ragcli.loading.office.objects import held
from ragcli.loading.parts import part
from ragcli.loading.sheets.markdown import MOST_CELLS, MOST_TEXT, Range, Row, assembled, cell_name, linked, written
from ragcli.loading.sheets.numformat import BUILTIN, general, shown, shown_text
from ragcli.loading.sheets.xlsrecords import Found, looked_through, whole
from ragcli.loading.source import Source
from ragcli.records import Document

if TYPE_CHECKING:
    import xlrd

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BEGINNING = b"\x09\x08\x10\x00\x00\x06\x05\x00"  # of the stream of a workbook of Excel 97 and later
_STREAMS = ("Workbook", "Book")
_DEFAULT = "VelvetSweatshop"  # Excel's own, for files that are protected against changes only
_SYSTEM_DATES = (14, 22)
_CELLS, _MACROS = 0, 1  # kinds of sheets
_BIFF8 = 80
_BEAT = 20_000  # rows


class _Container(NamedTuple):
    """What the container of a workbook holds: its stream, its properties, files embedded in it, and others."""

    stream: bytes
    facts: dict[str, Any]
    objects: list[tuple[str, bytes]]
    unread: int


def read(source: Source) -> Iterator[Document]:
    """Yield the workbook as one document, then the documents of the files embedded in it.

    Raises:
        LoadError: it is broken, or needs a password.
    """
    with source.parsing("XLS"):
        data = source.data()
        outer = _from_container(source, data) if data.startswith(_OLE) else _Container(data, {}, [], 0)
        stream = outer.stream
        found = looked_through(stream)
        if found.encrypted:
            stream = _decrypted(source, _aligned(data, stream, found.end))
            found = looked_through(stream)
        workbook = _Workbook(source, stream, found)

        def write(pictures: Pictures) -> tuple[str, list[dict[str, Any]]]:
            _read_pictures(found, pictures)
            return assembled(workbook.sheets())

        text, spans = with_pictures(source, write, lambda made: not made[0])
    if outer.unread:
        objects = "object" if outer.unread == 1 else "objects"
        source.lose(f"{outer.unread} embedded {objects} that hold no file that can be read", kind="skipped")
    if text:
        title = outer.facts.pop("title", None)
        metadata = {**outer.facts, **workbook.hidden}
        yield source.document(text, format="xls", title=title, spans=spans, metadata=metadata)
    for name, content in outer.objects:
        yield from part(source, f"embeddings/{name}", content, kind="skipped")


def _read_pictures(found: Found, pictures: Pictures) -> None:
    """Add the words in the pictures of each sheet to its boxes, or count them."""
    if not pictures.reading:
        pictures.left_out = found.pictures
        return
    from ragcli.loading.sheets.xlspictures import shown, stored

    files = stored(b"".join(found.group))
    for place, drawing in found.drawings.items():
        for number in shown(b"".join(drawing)):
            data = files[number - 1] if number <= len(files) else None
            if text := pictures.text(f"picture {number}", data):
                found.boxes.setdefault(place, []).append(text)


def _from_container(source: Source, data: bytes) -> _Container:
    """Return what the container holds; where it is broken, the stream of the workbook as far as it stands together."""
    try:
        with compound(data, "XLS") as container:
            stream = next((name for name in _STREAMS if container.exists(name)), None)
            if stream is None:
                raise LoadError("not readable as XLS: it holds no workbook.")
            storages = sorted({entry[0] for entry in container.listdir() if entry[0].startswith("MBD")})
            held_ = [held(container, [name], f"object{at}") for at, name in enumerate(storages, 1)]
            objects = [one for one in held_ if one is not None]
            workbook = container.openstream(stream).read()
            return _Container(workbook, summary(container), objects, len(held_) - len(objects))
    except LoadError as error:
        at = data.find(_BEGINNING)
        if at < 0:
            raise
        source.lose(f"{error.message.rstrip('.')}; what follows the beginning of a workbook was read")
        return _Container(data[at:], {}, [], 0)


def _aligned(data: bytes, stream: bytes, end: int) -> bytes:
    """Return a file whose zeros behind the last record are whole records: msoffcrypto fails where they are not."""
    rest = len(stream) - end
    if not rest or any(stream[end - 4 :]):
        return data
    import olefile

    out = io.BytesIO(data)
    with olefile.OleFileIO(out, write_mode=True) as container:
        name = next(name for name in _STREAMS if container.exists(name))
        container.write_stream(name, stream[: end - 4] + struct.pack("<HH", 0, rest) + bytes(rest))
        return out.getvalue()


def _decrypted(source: Source, data: bytes) -> bytes:
    """Return the stream of a workbook that has a password.

    Raises:
        LoadError: it needs a password, or another one.
    """
    from ragcli.loading.office.encrypted import wrong_password

    given = source.options.password
    for password in (given, _DEFAULT):
        if password is not None and (stream := _opened(data, password)) is not None:
            return stream
    raise wrong_password("Excel", given)


def _opened(data: bytes, password: str) -> bytes | None:
    from msoffcrypto.exceptions import DecryptionError, InvalidKeyError
    from msoffcrypto.format.xls97 import Xls97File

    out = io.BytesIO()
    try:
        office = Xls97File(io.BytesIO(data))
        office.load_key(password=password)
        office.decrypt(out)
    except InvalidKeyError:
        return None
    except DecryptionError as error:
        raise LoadError(f"this Excel file is encrypted in a way that cannot be read ({error}).") from error
    except OSError as error:
        raise LoadError(f"not readable as XLS: encrypted, and its container is broken ({error}).") from error
    with compound(out.getvalue(), "XLS") as container:
        decrypted: bytes = container.openstream("Workbook").read()
        return decrypted


class _Workbook:
    """Reads the sheets of a workbook; ``hidden`` says how much of them is hidden."""

    def __init__(self, source: Source, stream: bytes, found: Found) -> None:
        self._source = source
        self._found = found
        self._stream = whole(stream, found.end)
        self.hidden: dict[str, Any] = {}
        self._room = MOST_CELLS
        self._letters = MOST_TEXT
        if self._stream is not stream:
            source.lose("the file is cut off; what there is was read")
        self._formats = True
        self._book = self._open(None)
        if self._book.biff_version < _BIFF8:
            self._book = self._with_encoding(self._book)

    def _open(self, encoding: str | None) -> xlrd.Book:
        import xlrd

        for formats in (True, False):
            try:
                self._formats = formats
                return xlrd.open_workbook(
                    file_contents=self._stream,
                    logfile=io.StringIO(),
                    formatting_info=formats,
                    on_demand=True,
                    ragged_rows=True,
                    encoding_override=encoding,
                )
            except (UnicodeDecodeError, LookupError):  # an unknown code page
                if encoding is None:
                    return self._open("latin-1")
                raise
            except Exception:
                if not formats:
                    raise
        raise AssertionError

    def _with_encoding(self, book: xlrd.Book) -> xlrd.Book:
        """Before Excel 97 texts are bytes: where the file says nothing of their encoding, they are looked at."""
        given = self._source.options.encoding
        if given is None and book.codepage not in (None, 1252, 367, 32768, 32769) and book.encoding != "latin-1":
            return book
        if given is not None and (codec := canonical(given)):
            return self._open(codec)
        plain = self._open("latin-1")
        texts = []
        for at in range(plain.nsheets):
            try:
                sheet = plain.sheet_by_index(at)
            except Exception:  # noqa: BLE001  reported when it is read for good
                continue
            texts += [value for row in range(sheet.nrows) for value in sheet.row_values(row) if isinstance(value, str)]
        data = "\n".join([*plain.sheet_names(), *texts]).encode("latin-1", "replace")
        if data.isascii():
            return book
        try:
            codec, sure = choose(data, complete=True)
            found = self._open(codec)
        except (LoadError, UnicodeDecodeError):  # what is no text is left as it is
            return plain
        if not sure:
            self._source.lose(f"its encoding is a guess ({codec}): too little text to be sure. Pass --encoding.",
                              kind="warning")  # fmt: skip
        return found

    def sheets(self) -> Iterator[tuple[str, str]]:
        """Yield (name, Markdown) of each sheet; one that cannot be read is a loss."""
        boxes = self._found.boxes
        places = [one for one in self._found.sheets if one[2] == _CELLS]
        names = self._book.sheet_names()
        for at, name in enumerate(names):
            blocks = self._sheet(at, name)
            place = places[at][0] if len(places) == len(names) else -1
            blocks += boxes.pop(place, [])
            yield name, "\n\n".join(blocks)
        for place, name, kind, hidden in self._found.sheets:
            if kind == _MACROS:
                self._source.lose(f"the macro sheet {name} was not read", kind="skipped", sheet=name)
            if place in boxes:
                if hidden:
                    self.hidden.setdefault("hidden_sheets", []).append(name)
                yield name, "\n\n".join(boxes.pop(place))
        for rest in boxes.values():
            yield "", "\n\n".join(rest)

    def _sheet(self, at: int, name: str) -> list[str]:
        if self._room < 0 or self._letters < 0:
            return []
        try:
            sheet = self._loaded(at)
            rows = list(self._rows(sheet))
            merged: list[Range] = [
                (top, left, bottom - 1, right - 1) for top, bottom, left, right in sheet.merged_cells
            ]
            text = written(rows, merged)
            notes = [
                f"Comment ({cell_name(*place)}): {said}"
                for place, note in sorted(sheet.cell_note_map.items())
                if (said := " ".join(note.text.split()))
            ]
        except Exception as error:  # noqa: BLE001  one broken sheet does not lose the others
            self._source.lose(f"the sheet {name} cannot be read ({type(error).__name__}: {error})", sheet=name)
            return []
        self._source.beat()
        self._book.unload_sheet(at)
        if text and sheet.visibility:
            self.hidden.setdefault("hidden_sheets", []).append(name)
        for key, infos in (("hidden_rows", sheet.rowinfo_map), ("hidden_columns", sheet.colinfo_map)):
            count = sum(bool(info.hidden) for info in infos.values())
            if count and text:
                self.hidden[key] = self.hidden.get(key, 0) + count
        if self._room < 0 or self._letters < 0:
            limit = f"{MOST_CELLS:,} cells or {MOST_TEXT:,} characters"
            self._source.lose(f"it holds more than {limit}; the rest was not read")
        return [*([text] if text else []), *notes]

    def _loaded(self, at: int) -> xlrd.sheet.Sheet:
        try:
            return self._book.sheet_by_index(at)
        except Exception:
            if not self._formats:
                raise
            self._source.lose("its formats are broken: dates and numbers may look different", kind="warning")
            self._book.formatting_info = False
            self._formats = False
            return self._book.sheet_by_index(at)

    def _rows(self, sheet: xlrd.sheet.Sheet) -> Iterator[Row]:
        import xlrd

        text_, number_, date_, boolean_, error_ = (
            xlrd.XL_CELL_TEXT, xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE, xlrd.XL_CELL_BOOLEAN, xlrd.XL_CELL_ERROR,
        )  # fmt: skip
        codes: dict[int, str | None] = {}
        links = self._links(sheet)
        date1904 = bool(self._book.datemode)
        for row in range(sheet.nrows):
            cells: dict[int, str] = {}
            values = sheet.row_values(row)
            for column, kind in enumerate(sheet.row_types(row)):
                value = values[column]
                if kind in (number_, date_):
                    index = sheet.cell_xf_index(row, column) if self._formats else -1
                    if index not in codes:
                        codes[index] = self._code(index)
                    code = codes[index] or ("yyyy-mm-dd hh:mm:ss" if kind == date_ else None)
                    cells[column] = shown(value, code, date1904) if code else general(value)
                elif kind == text_:
                    cells[column] = value
                    if self._formats:
                        index = sheet.cell_xf_index(row, column)
                        if index not in codes:
                            codes[index] = self._code(index)
                        if (code := codes[index]) and "@" in code:
                            cells[column] = shown_text(value, code)
                elif kind == boolean_:
                    cells[column] = "TRUE" if value else "FALSE"
                elif kind == error_:
                    cells[column] = xlrd.error_text_from_code.get(value, "#ERROR")
            if row in links:
                for column, address in links[row].items():
                    cells[column] = linked(cells.get(column, ""), address)
            if cells:
                self._room -= len(cells)
                self._letters -= sum(map(len, cells.values()))
                if self._room < 0 or self._letters < 0:
                    return
                yield row, cells
            if row % _BEAT == _BEAT - 1:
                self._source.beat()

    def _code(self, index: int) -> str | None:
        """The number format of a style; None stands for General."""
        if not 0 <= index < len(self._book.xf_list):
            return None
        key = self._book.xf_list[index].format_key
        found = self._book.format_map.get(key)
        code = found.format_str if found is not None else ""
        if key in BUILTIN and (key in _SYSTEM_DATES or not code or code.lower() == "general"):
            code = BUILTIN[key]
        return None if code.lower() in ("general", "g/通用格式") else code or None

    def _links(self, sheet: xlrd.sheet.Sheet) -> dict[int, dict[int, str]]:
        found: dict[int, dict[int, str]] = {}
        for link in sheet.hyperlink_list:
            address = link.url_or_path
            if isinstance(address, bytes):
                address = address.decode("latin-1")
            if link.type == "url" and isinstance(address, str):
                found.setdefault(link.frowx, {})[link.fcolx] = address
        return found
