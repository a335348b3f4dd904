"""What an RTF file says: paragraphs, tables, notes, headers, text boxes, comments, fields, and HTML written as RTF."""

from __future__ import annotations

import re
from collections.abc import Callable

from ragcli.loading.office.drawing import linked
from ragcli.loading.office.fields import equation
from ragcli.loading.office.page_headers import says_something
from ragcli.loading.rtf import codec as rtf_codec
from ragcli.loading.rtf.flow import Flow, Place, string
from ragcli.loading.rtf.head import Head
from ragcli.loading.rtf.tokens import Handler, State

_ADDRESS = re.compile(r'HYPERLINK\s+"([^"]+)"')
_IN_PICTURE = re.compile(rb"[{}]|\\bin(\d{1,10}) ?|\\[a-zA-Z]{1,32}-?\d{0,10} ?|\\.", re.S)

_CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"lbr": "\n", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘",
    b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
    b"nestcellsep": " ",
}  # fmt: skip
_SKIPPED = {
    b"colortbl", b"filetbl", b"revtbl", b"rsidtbl", b"xmlnstbl", b"nonshppict", b"shprslt", b"objdata", b"objclass",
    b"objname", b"objalias", b"objsect", b"xe", b"rxe", b"tc", b"tcn", b"bkmkstart", b"bkmkend", b"ftnsep", b"ftnsepc",
    b"ftncn", b"aftnsep", b"aftnsepc", b"aftncn", b"mmathPict", b"mmathPr", b"nonesttables", b"mhtmltag", b"fontemb",
    b"private", b"template", b"pgdsctbl", b"sp_deleted",
}  # fmt: skip
_MOST_DEEP = 50  # places in each other
_PAGE_FIELDS = ("PAGE ", "NUMPAGES", "SECTIONPAGES", "SECTION ")


class _Field:
    """A field: its instruction, and whether it shows something."""

    def __init__(self) -> None:
        self.instruction = ""
        self.has_result = False
        self.choice = 0
        self.choices: list[str] = []


class Reader(Head):
    """Reads a file; afterwards ``blocks``, ``notes``, ``headers`` and the rest are what it says.

    Args:
        data: the file.
        western: the codec of text that names none or Western, where it is known to be another.
        read: returns what stands in a picture by a name and its bytes; without it pictures are only counted.
    """

    def __init__(
        self, data: bytes, western: str | None = None, read: Callable[[str, bytes], str] | None = None
    ) -> None:
        super().__init__(data, western)
        self._read_picture = read
        self.pictures = self.objects = self.contents = 0
        self.html: list[str] | None = None
        self.lines = False  # paragraphs are lines
        self.blocks: list[str] = []
        self.notes: list[str] = []
        self.headers: list[str] = []
        self._flow = Flow(self._formats)
        self._flows: list[Flow] = []
        self._state.sink = self._flow.pieces
        self._fields: list[_Field] = []
        self._property_named = ""
        self._author = ""
        self._counts = {"": 0, "e": 0}
        self._endnote = False
        self._words = {**self._head_words(), **self._body_words()}

    def run(self) -> None:
        """Read the file."""
        super().run()
        self._flush()
        self.unbalanced = bool(self._stack)
        while self._stack:
            self._close()
        self.blocks = self._flow.blocks(self._state.place)

    # -- paragraphs and tables

    def _plain(self, _: int | None) -> None:
        self._flush()
        state = self._state
        state.font, state.deleted = -1, False
        if self.html is None:
            state.mute = state.mute and state.sink is not self._flow.pieces
        self._choose_codec()

    def _paragraph_plain(self, _: int | None) -> None:
        if self._state.part != b"style":
            self._state.place = Place()

    def _in_table(self, number: int | None) -> None:
        if number != 0:
            self._state.place.table = max(self._state.place.table, 1)

    def _table_level(self, number: int | None) -> None:
        self._state.place.table = max(number or 0, 0)

    def _cell(self, nested: bool) -> Handler:
        def end(_: int | None) -> None:
            self._flush()
            self._fallback = 0
            if self._state.sink is self._flow.pieces:
                self._flow.end_cell(self._state.place, nested=nested)
            elif not self._state.mute:
                self._say("\n")

        return end

    def _row(self, nested: bool) -> Handler:
        def end(_: int | None) -> None:
            self._flush()
            if self._state.sink is self._flow.pieces:
                self._flow.end_row(self._state.place, nested=nested)

        return end

    def _section(self, _: int | None) -> None:
        self._paragraph(None)
        if self._state.sink is self._flow.pieces and not self._state.mute:
            self._flow.end_tables()

    # -- places beside the body

    def _place(self, keep: Callable[[Flow, State], None]) -> None:
        """Begin a place of its own: a note, a header, a text box."""
        self._flush()
        if len(self._flows) >= _MOST_DEEP:
            return
        self._flows.append(self._flow)
        self._flow = flow = Flow(self._formats)
        self._state.sink = flow.pieces
        self._state.place = Place()
        self._state.mute = self._state.deleted

        def close(state: State) -> None:
            self._flow = self._flows.pop()
            keep(flow, state)

        self._state.close = close

    def _footnote(self, _: int | None) -> None:
        self._endnote = False

        def keep(flow: Flow, state: State) -> None:
            kind = "e" if self._endnote else ""
            self._endnote = False
            if text := flow.text(state.place):
                self._counts[kind] += 1
                mark = f"[^{kind}{self._counts[kind]}]"
                self._flow.pieces.append(mark)
                self.notes.append(f"{mark}: {text}")

        self._place(keep)

    def _is_endnote(self, _: int | None) -> None:
        self._endnote = True

    def _header(self, _: int | None) -> None:
        def keep(flow: Flow, state: State) -> None:
            for block in flow.blocks(state.place):
                block = block.lstrip("# ")
                if says_something(block, numbered=flow.has_page_number) and block not in self.headers:
                    self.headers.append(block)

        self._place(keep)

    def _page_number(self, _: int | None) -> None:
        self._flow.has_page_number = True

    def _text_box(self, _: int | None) -> None:
        def keep(flow: Flow, state: State) -> None:
            self._flow.asides += flow.blocks(state.place)

        self._place(keep)

    def _comment(self, _: int | None) -> None:
        def keep(flow: Flow, state: State) -> None:
            if text := flow.text(state.place):
                said = f"Comment ({self._author}): {text}" if self._author else f"Comment: {text}"
                self._flow.asides.append(said)
            self._author = ""

        self._place(keep)

    def _comment_author(self, _: int | None) -> None:
        def keep(state: State) -> None:
            self._author = " ".join(string(state.sink).split())

        self._sink()
        self._state.close = keep

    # -- pictures, objects and shapes

    def _picture(self, _: int | None) -> None:
        self.pictures += 1
        if self._read_picture is not None and not self._state.mute:
            said = self._read_picture(f"picture {self.pictures}", self._picture_bytes())
            self._flow.asides += [said] if said else []
        self._sink()
        self._state.mute = True

    def _picture_bytes(self) -> bytes:
        """The bytes of the picture whose group has begun: as hexadecimal digits, or as they are."""
        digits: list[bytes] = []
        depth, position = 1, self._at
        for found in _IN_PICTURE.finditer(self.data, position):
            if depth == 1:
                digits.append(self.data[position : found.start()])
            position = found.end()
            depth += (found[0] == b"{") - (found[0] == b"}")
            if depth == 0:
                break
            if found[1] and depth == 1:
                return self.data[position : position + int(found[1])]
        written = b"".join(digits).translate(None, b" \t\r\n\0")
        try:
            return bytes.fromhex(written[: len(written) // 2 * 2].decode("ascii"))
        except ValueError:
            return b""

    def _object(self, _: int | None) -> None:
        self.objects += 1

    def _property_name(self, _: int | None) -> None:
        def keep(state: State) -> None:
            self._property_named = string(state.sink).strip()

        self._sink()
        self._state.mute = False
        self._state.close = keep

    def _property(self, _: int | None) -> None:
        flow = self._flow

        def keep(state: State) -> None:
            said = " ".join(string(state.sink).split())
            if said and self._property_named == "wzDescription":
                flow.asides.append(f"Picture: {said}")
            elif said and self._property_named == "gtextUNICODE":
                flow.asides.append(said)

        self._sink()
        self._state.mute = self._property_named not in ("wzDescription", "gtextUNICODE")
        self._state.close = keep

    # -- fields

    def _field(self, _: int | None) -> None:
        self._flush()
        field = _Field()
        self._fields.append(field)

        def close(_: State) -> None:
            self._fields.pop()
            if not field.has_result and (shown := _shown(field)):
                self._say(shown)

        self._state.close = close

    def _instruction(self, _: int | None) -> None:
        field = self._fields[-1] if self._fields else _Field()

        def keep(state: State) -> None:
            field.instruction = " ".join(string(state.sink).split())

        self._sink()
        self._state.close = keep

    def _result(self, _: int | None) -> None:
        field = self._fields[-1] if self._fields else _Field()
        if field.instruction.startswith("TOC "):
            self.contents += 1
            field.has_result = True
            self._skip()
        elif len(self._flows) and f"{field.instruction} ".startswith(_PAGE_FIELDS):
            self._flow.has_page_number = True
            field.has_result = True
            self._skip()
        else:
            self._flush()
            sink, start = self._state.sink, len(self._state.sink)
            address = _ADDRESS.match(field.instruction) if self.html is None else None

            def close(_: State) -> None:
                field.has_result = field.has_result or len(sink) != start
                if address and len(sink) > start:  # the link does not go over several paragraphs
                    sink[start:] = [linked(string(sink[start:]), address[1])]

            self._state.close = close

    def _form_choice(self, number: int | None) -> None:
        if self._fields and number not in (None, 25):  # 25: none chosen
            self._fields[-1].choice = number or 0

    def _form_entry(self, _: int | None) -> None:
        if self._fields:
            choices = self._fields[-1].choices
            self._sink()
            self._state.mute = False
            self._state.close = lambda state: choices.append(string(state.sink).strip())

    # -- HTML in RTF, as Outlook writes it

    def _from_html(self, number: int | None) -> None:
        if number == 1 and self.html is None:
            self.html = []
            self._state.sink = self.html

    def _html_tag(self, _: int | None) -> None:
        if self.html is None:
            self._skip()
            return
        self._flush()
        self._state.sink = self.html
        self._state.mute = False

    def _not_html(self, number: int | None) -> None:
        if self.html is not None:
            self._flush()
            self._state.mute = number != 0

    # -- everything else

    def _mute(self, _: int | None) -> None:
        self._sink()
        self._state.mute = True

    def _delete(self, number: int | None) -> None:
        self._flush()
        self._state.deleted = number != 0

    def _binary(self, number: int | None) -> None:
        self._jump = min(self._at + max(number or 0, 0), len(self.data))

    def _two_forms(self, _: int | None) -> None:
        self._skip_group = True

    def _fallback_length(self, number: int | None) -> None:
        self._state.uc = max(number or 0, 0)

    def _take_lines(self, _: int | None) -> None:
        if not self._flows:
            self.lines = True
            self._flow.lines = True

    def _paragraph(self, _: int | None) -> None:
        self._flush()
        self._fallback = 0
        state = self._state
        if state.sink is not self._flow.pieces:
            self._say("\r\n" if self.html is not None else "\n")
        elif not state.mute:
            self._flow.end_paragraph(state.place)

    def _mark(self, _: int | None) -> None:
        flow = self._flow

        def keep(state: State) -> None:
            flow.mark = string(state.sink)

        if self._state.sink is flow.pieces:
            self._sink()
            self._state.close = keep

    def _body_words(self) -> dict[bytes, Handler]:
        def said(text: str) -> Handler:
            return lambda _: self._character(text)

        def skip(_: int | None) -> None:
            self._skip()

        def nothing(_: int | None) -> None:
            self._flush()

        return {
            **{word: said(text) for word, text in _CHARACTERS.items()},
            **dict.fromkeys(_SKIPPED, skip),
            **dict.fromkeys((b"par", b"page", b"column", b"softpage"), self._paragraph),
            **dict.fromkeys((b"header", b"headerl", b"headerr", b"headerf"), self._header),
            **dict.fromkeys((b"footer", b"footerl", b"footerr", b"footerf"), self._header),
            **dict.fromkeys((b"shptxt", b"dptxbxtext"), self._text_box),
            **dict.fromkeys((b"listtext", b"pntext"), self._mark),
            **dict.fromkeys((b"sp", b"shpinst", b"picprop", b"ud"), nothing),
            b"sect": self._section,
            b"u": self._unicode, b"uc": self._fallback_length, b"plain": self._plain, b"pard": self._paragraph_plain,
            b"intbl": self._in_table, b"itap": self._table_level, b"cell": self._cell(False),
            b"nestcell": self._cell(True), b"row": self._row(False), b"nestrow": self._row(True),
            b"footnote": self._footnote, b"ftnalt": self._is_endnote, b"annotation": self._comment,
            b"atnauthor": self._comment_author, b"chpgn": self._page_number, b"pict": self._picture,
            b"object": self._object, b"sn": self._property_name, b"sv": self._property, b"field": self._field,
            b"fldinst": self._instruction, b"fldrslt": self._result, b"ffres": self._form_choice,
            b"ffdefres": self._form_choice, b"ffl": self._form_entry, b"formfield": self._mute,
            b"fromhtml": self._from_html, b"fromtext": self._take_lines, b"cocoartf": self._take_lines,
            b"htmltag": self._html_tag, b"htmlrtf": self._not_html, b"deleted": self._delete, b"bin": self._binary,
            b"upr": self._two_forms,
        }  # fmt: skip


def _shown(field: _Field) -> str:
    """What a field shows that has no result."""
    said = field.instruction
    kind = said.partition(" ")[0].upper()
    if kind == "SYMBOL":
        words = said.split()
        if len(words) > 1 and words[1].isdecimal():
            code, name = int(words[1]), said.lower()
            codec = rtf_codec.WINGDINGS if "dings" in name else rtf_codec.SYMBOL if "symbol" in name else ""
            return rtf_codec.symbol(code & 0xFF, codec) if codec else bytes([code & 0xFF]).decode("cp1252", "ignore")
    if kind == "FORMCHECKBOX":
        return "☑" if field.choice == 1 else "☐"
    if kind == "FORMDROPDOWN" and field.choices:
        return field.choices[min(field.choice, len(field.choices) - 1)]
    return equation(said)
