"""Reads the tokens of an RTF file: groups and what they hold, fonts and their encodings, fields, notes, HTML in it."""

from __future__ import annotations

import re
from collections.abc import Callable

from ragcli.loading import rtf_codec
from ragcli.loading.rtf_flow import Flow, Place, string

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?"  # 1 word, 2 its number
    rb"|((?:\\'[0-9a-fA-F]{2})+)"  # 3 bytes
    rb"|\\([^a-zA-Z])"  # 4 symbol
    rb"|([{}])"  # 5
    rb"|([^\\{}\r\n\0]+)"  # 6 text
)
_WORD, _NUMBERED, _BYTES, _SYMBOL, _BRACE = 1, 2, 3, 4, 5
_GROUP = re.compile(rb"[{}]|\\bin(\d{1,10}) ?|\\.", re.S)
_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre|заголовок)\s*(\d)", re.I)
_RUBY = re.compile(r"\\s\s*\\up\s*\d*\s*\((.*?)\)\s*[,;](.*?)\)?$", re.S)
_ARGUMENT = re.compile(r"\\[a-z*]+\s*\d*|[(){}]", re.I)
_LIST_LEVELS = 9

_CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"lbr": "\n", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘",
    b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
    b"nestcellsep": " ",
}  # fmt: skip
_SIGNS = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\t": "\t"}
_SKIPPED = {
    b"colortbl", b"filetbl", b"revtbl", b"rsidtbl", b"xmlnstbl", b"nonshppict", b"shprslt", b"objdata", b"objclass",
    b"objname", b"objalias", b"objsect", b"xe", b"rxe", b"tc", b"tcn", b"bkmkstart", b"bkmkend", b"ftnsep", b"ftnsepc",
    b"ftncn", b"aftnsep", b"aftnsepc", b"aftncn", b"mmathPict", b"mmathPr", b"nonesttables", b"mhtmltag", b"fontemb",
    b"private", b"template", b"pgdsctbl", b"sp_deleted",
}  # fmt: skip
# Groups that begin with \* and yet hold text, or what says how to read it. All others with \* are skipped.
_STARRED = {
    b"shpinst", b"shppict", b"picprop", b"do", b"ud", b"fldinst", b"annotation", b"atnauthor", b"nesttableprops",
    b"listtable", b"listoverridetable", b"formfield", b"ffl", b"htmltag", b"moMath", b"moMathPara", b"footnote",
}  # fmt: skip
_PAGE_FIELDS = ("PAGE ", "NUMPAGES", "SECTIONPAGES", "SECTION ")


class _State:
    """What a group takes over from the one around it, and gives back when it ends."""

    __slots__ = ("assoc", "close", "deleted", "font", "mute", "part", "place", "rtl", "sink", "uc")

    def __init__(self, sink: list[str]) -> None:
        self.place = Place()
        self.sink = sink  # where text goes
        self.part = b""  # the table at the beginning of the file that it lies in
        self.font = -1
        self.assoc = -1  # the font of the other direction
        self.uc = 1
        self.rtl = False
        self.deleted = False
        self.mute = False  # text is left out
        self.close: Callable[[_State], None] | None = None

    def copy(self) -> _State:
        made = _State.__new__(_State)
        made.place = self.place.copy()
        made.sink = self.sink
        made.part = self.part
        made.font = self.font
        made.assoc = self.assoc
        made.uc = self.uc
        made.rtl = self.rtl
        made.deleted = self.deleted
        made.mute = self.mute
        made.close = None
        return made


class _Field:
    """A field: its instruction, and whether it shows something."""

    def __init__(self) -> None:
        self.instruction = ""
        self.has_result = False
        self.kind = 0
        self.choice = 0
        self.choices: list[str] = []


class Reader:
    """Reads a file once, from its first token to its last.

    Args:
        data: the file.
        western: the codec of text that names none or Western, where it is known to be another.
    """

    def __init__(self, data: bytes, western: str | None = None) -> None:
        self.data = data
        self.western = western
        self.default = western or rtf_codec.WESTERN
        self.info: dict[str, str] = {}
        self.pictures = self.objects = self.contents = self.undecodable = 0
        self.unbalanced = False
        self.named_page = False  # the file says what its encoding is
        self.high: list[bytes] = []  # Western text that may be something else
        self.html: list[str] | None = None
        self.lines = False  # paragraphs are lines
        self.notes: list[str] = []
        self.headers: list[str] = []
        self.blocks: list[str] = []
        self._high_room = 100_000
        self._formats: dict[tuple[int, int], int] = {}
        self._flow = Flow(self._formats)
        self._flows: list[Flow] = []
        self._state = _State(self._flow.pieces)
        self._stack: list[_State] = []
        self._bytes = bytearray()
        self._codec = self.default
        self._fallback = 0  # characters to leave out after one that is given by its number
        self._starred = False
        self._skip_group = False
        self._jump = -1
        self._at = 0
        self._fonts: dict[int, tuple[int, str]] = {}
        self._codecs: dict[int, str] = {}
        self._font_page: dict[int, str] = {}
        self._deff = -1
        self._levels: dict[int, int] = {}
        self._fields: list[_Field] = []
        self._name = ""
        self._author = ""
        self._counts = {"": 0, "e": 0}
        self._endnote = False
        self._number_formats: dict[int, list[int]] = {}
        self._format_row: list[int] = []
        self._list_id = 0
        self._words = self._handlers()

    def run(self) -> None:
        """Read the file."""
        data, words = self.data, self._words
        position, end = 0, len(data)
        done = False
        while position < end and not done:
            for found in _TOKEN.finditer(data, position):
                kind = found.lastindex
                if kind == _BRACE:
                    self._fallback = 0
                    if data[found.start()] == 123:
                        self._open()
                    elif not self._close():
                        done = True
                        break
                elif kind is None:
                    continue
                elif kind <= _NUMBERED:
                    word = found[1]
                    handler = words.get(word)
                    if handler is not None:
                        self._at = found.end()
                        if self._starred and word not in _STARRED:
                            self._starred = False
                            self._skip()
                        else:
                            self._starred = False
                            handler(int(found[2]) if kind == _NUMBERED else None)
                    elif self._starred:
                        self._starred = False
                        if word not in _STARRED:
                            self._at = found.end()
                            self._skip()
                elif kind == _SYMBOL:
                    self._at = found.end()
                    self._sign(found[4])
                else:
                    text = found[0] if kind != _BYTES else bytes.fromhex(found[3].replace(b"\\'", b"").decode())
                    if self._fallback:
                        taken = min(self._fallback, len(text))
                        self._fallback -= taken
                        text = text[taken:]
                    if not self._state.mute:
                        self._bytes += text
                if self._jump >= 0:
                    break
            else:
                break
            position, self._jump = (self._jump, -1) if self._jump >= 0 else (end, -1)
        self._finish()

    def _finish(self) -> None:
        self._flush()
        self.unbalanced = bool(self._stack)
        while self._stack:
            self._close(last=True)
        self.blocks = self._flow.blocks(self._state.place)

    # -- groups

    def _open(self) -> None:
        if self._skip_group:  # the first of two forms of the same
            self._skip_group = False
            self._at = -1
        self._starred = False
        state = self._state
        self._stack.append(state)
        self._state = state.copy()
        if state.part == b"stylesheet":
            self._flush()
            self._state.part = b"style"
            self._state.sink = []
            self._state.close = self._end_style
        elif state.part == b"fonts":
            self._state.close = self._end_font
        if self._at == -1:
            self._at = 0
            self._state.mute = True
            self._state.sink = []

    def _close(self, *, last: bool = False) -> bool:
        """End a group; whether the file goes on."""
        if not self._stack:
            return True
        self._flush()
        closed = self._state
        if closed.close is not None:
            closed.close(closed)
        self._state = self._stack.pop()
        self._choose_codec()
        return last or bool(self._stack)

    def _skip(self) -> None:
        """Go to the end of the group that has begun."""
        depth, position = 1, self._at
        while True:
            jumped = False
            for found in _GROUP.finditer(self.data, position):
                what = found[0]
                if what == b"{":
                    depth += 1
                elif what == b"}":
                    depth -= 1
                    if not depth:
                        self._jump = found.start()
                        return
                elif found[1]:
                    position = found.end() + int(found[1])
                    jumped = True
                    break
            if not jumped or position >= len(self.data):
                self._jump = len(self.data)
                return

    def _sink(self) -> list[str]:
        """Begin to gather text of its own."""
        self._flush()
        self._state.sink = []
        return self._state.sink

    # -- text

    def _flush(self) -> None:
        if not self._bytes:
            return
        data = bytes(self._bytes)
        self._bytes.clear()
        if data.isascii() and self._codec not in (rtf_codec.SYMBOL, rtf_codec.WINGDINGS):
            text = data.decode("ascii")
        else:
            text, lost = rtf_codec.decode(data, self._codec, self.default)
            self.undecodable += lost
            if self._codec == rtf_codec.WESTERN and self._high_room > 0:
                self.high.append(data)
                self._high_room -= len(data)
        self._say(text)

    def _say(self, text: str) -> None:
        state = self._state
        if not state.mute and not state.deleted:
            state.sink.append(text)

    def _character(self, text: str) -> None:
        if self._fallback:
            self._fallback -= 1
            return
        self._flush()
        self._say("\r\n" if text == "\n" and self.html is not None else text)

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._starred = True
        elif sign in b"\r\n":
            if not self._state.part:
                self._paragraph(None)
        elif sign in _SIGNS:
            if self._fallback:
                self._fallback -= 1
            elif sign in b"\\{}":
                if not self._state.mute:
                    self._bytes += sign
            else:
                self._character(_SIGNS[sign])

    def _unicode(self, number: int | None) -> None:
        code = (number or 0) + (65536 if (number or 0) < 0 else 0)
        self._flush()
        if 0xF020 <= code <= 0xF0FF:
            codec = self._codec if self._codec in (rtf_codec.SYMBOL, rtf_codec.WINGDINGS) else rtf_codec.SYMBOL
            self._say(rtf_codec.symbol(code - 0xF000, codec))
        elif 0 < code <= 0x10FFFF:
            self._say(chr(code))
        self._fallback = self._state.uc

    def _paragraph(self, _: int | None) -> None:
        self._flush()
        self._fallback = 0
        state = self._state
        if state.sink is not self._flow.pieces:
            self._say("\r\n" if self.html is not None else "\n")
        elif not state.mute:
            self._flow.end_paragraph(state.place)

    # -- fonts and encodings

    def _choose_codec(self) -> None:
        state = self._state
        codec = self._codec_of(state.font if state.font >= 0 else self._deff)
        if state.rtl and codec == rtf_codec.WESTERN and state.assoc >= 0:
            other = self._codec_of(state.assoc)
            codec = other if other in ("cp1255", "cp1256") else codec
        self._codec = codec

    def _codec_of(self, font: int) -> str:
        codec = self._codecs.get(font)
        if codec is None:
            if font in self._font_page:
                codec = self._font_page[font]
            elif font in self._fonts:
                codec = rtf_codec.of_charset(*self._fonts[font], self.default)
            else:
                codec = self.default
            if codec == rtf_codec.WESTERN and self.western:
                codec = self.western
            self._codecs[font] = codec
        return codec

    def _font(self, number: int | None) -> None:
        self._flush()
        if self._state.part == b"fonts":
            self._end_font(self._state)
            self._state.font = number or 0
            self._fonts[self._state.font] = (1, "")
            return
        self._state.font = number or 0
        self._choose_codec()

    def _end_font(self, state: _State) -> None:
        self._flush()
        name = "".join(state.sink).strip(" ;")
        if name and state.font in self._fonts and not self._fonts[state.font][1]:
            self._fonts[state.font] = (self._fonts[state.font][0], name)
        state.sink.clear()
        self._codecs.clear()

    def _charset(self, number: int | None) -> None:
        if self._state.part == b"fonts":
            self._fonts[self._state.font] = (number or 0, "")
            self._codecs.clear()

    def _page_of_font(self, number: int | None) -> None:
        codec = rtf_codec.of_page(number or 0) if number else None
        if self._state.part == b"fonts" and codec:
            self._font_page[self._state.font] = codec

    def _page(self, number: int | None) -> None:
        codec = rtf_codec.of_page(number or 0) if number else None
        if codec:
            self.named_page = True
            if not self.western:
                self.default = codec
                self._codecs.clear()
                self._choose_codec()

    def _font_table(self, _: int | None) -> None:
        self._sink()
        self._state.part = b"fonts"
        self._state.close = self._end_font

    # -- styles, lists and facts at the beginning

    def _style_sheet(self, _: int | None) -> None:
        self._sink()
        self._state.part = b"stylesheet"

    def _end_style(self, state: _State) -> None:
        name = string(state.sink).strip(" ;")
        found = _HEADING.match(name)
        level = state.place.level or (min(int(found[1]) or 1, 6) if found else int(name.lower() == "title"))
        if level and state.place.style >= 0:
            self._levels[state.place.style] = level

    def _based_on(self, number: int | None) -> None:
        state = self._state
        if state.part == b"style" and not state.place.level:
            state.place.level = self._levels.get(number if number is not None else -1, 0)

    def _style(self, number: int | None) -> None:
        place = self._state.place
        place.style = number or 0
        if not self._state.part:
            place.level = self._levels.get(place.style, place.level)

    def _outline(self, number: int | None) -> None:
        self._state.place.level = min((number or 0) + 1, 6) if 0 <= (number or 0) < 9 else 0

    def _part(self, name: bytes) -> Callable[[int | None], None]:
        def begin(_: int | None) -> None:
            self._sink()
            self._state.part = name

        return begin

    def _fact(self, name: str) -> Callable[[int | None], None]:
        def keep(state: _State) -> None:
            if said := " ".join(string(state.sink).split()):
                self.info.setdefault(name, said)

        def begin(_: int | None) -> None:
            if self._state.part == b"info":
                self._sink()
                self._state.close = keep

        return begin

    def _date(self, name: str) -> Callable[[int | None], None]:
        def begin(_: int | None) -> None:
            self._name = name if self._state.part == b"info" else ""

        return begin

    def _date_part(self, width: int) -> Callable[[int | None], None]:
        def add(number: int | None) -> None:
            if self._state.part == b"info" and self._name and len(self.info.get(self._name, "")) < 10:
                before = self.info.get(self._name, "")
                self.info[self._name] = f"{before}{'-' if before else ''}{number or 0:0{width}}"

        return add

    def _list(self, _: int | None) -> None:
        if self._state.part == b"listtable":
            self._format_row = []

    def _number_format(self, number: int | None) -> None:
        if self._state.part == b"listtable" and len(self._format_row) < _LIST_LEVELS:
            self._format_row.append(number or 0)

    def _list_number(self, number: int | None) -> None:
        if self._state.part == b"listtable":
            self._number_formats[number or 0] = self._format_row
        self._list_id = number or 0

    def _in_list(self, number: int | None) -> None:
        if self._state.part == b"listoverridetable":
            for level, kind in enumerate(self._number_formats.get(self._list_id, ())):
                self._formats[number or 0, level] = kind
        elif not self._state.part:
            self._state.place.list_number = number or 0

    def _list_level(self, number: int | None) -> None:
        self._state.place.list_level = max(number or 0, 0)

    def _mark(self, _: int | None) -> None:
        flow = self._flow

        def keep(state: _State) -> None:
            flow.mark = string(state.sink)

        if self._state.sink is flow.pieces:
            self._sink()
            self._state.close = keep

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

    def _cell(self, nested: bool) -> Callable[[int | None], None]:
        def end(_: int | None) -> None:
            self._flush()
            self._fallback = 0
            if self._state.sink is self._flow.pieces:
                self._flow.end_cell(self._state.place, nested=nested)
            elif not self._state.mute:
                self._say("\n")

        return end

    def _row(self, nested: bool) -> Callable[[int | None], None]:
        def end(_: int | None) -> None:
            self._flush()
            if self._state.sink is self._flow.pieces:
                self._flow.end_row(self._state.place, nested=nested)

        return end

    # -- places beside the body

    def _place(self, keep: Callable[[Flow, _State], None]) -> None:
        """Begin a place of its own: a note, a header, a text box."""
        self._flush()
        self._flows.append(self._flow)
        self._flow = flow = Flow(self._formats)
        self._state.sink = flow.pieces
        self._state.place = Place()
        self._state.mute = self._state.deleted

        def close(state: _State) -> None:
            self._flow = self._flows.pop()
            keep(flow, state)

        self._state.close = close

    def _footnote(self, _: int | None) -> None:
        self._endnote = False

        def keep(flow: Flow, state: _State) -> None:
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
        def keep(flow: Flow, state: _State) -> None:
            for block in flow.blocks(state.place):
                block = block.lstrip("# ")
                short = flow.has_page_number and len(block) < 10
                if any(map(str.isalpha, block)) and not short and block not in self.headers:
                    self.headers.append(block)

        self._place(keep)

    def _page_number(self, _: int | None) -> None:
        self._flow.has_page_number = True

    def _text_box(self, _: int | None) -> None:
        def keep(flow: Flow, state: _State) -> None:
            self._flow.asides += flow.blocks(state.place)

        self._place(keep)

    def _comment(self, _: int | None) -> None:
        def keep(flow: Flow, state: _State) -> None:
            if text := flow.text(state.place):
                said = f"Comment ({self._author}): {text}" if self._author else f"Comment: {text}"
                self._flow.asides.append(said)
            self._author = ""

        self._place(keep)

    def _comment_author(self, _: int | None) -> None:
        def keep(state: _State) -> None:
            self._author = " ".join(string(state.sink).split())

        self._sink()
        self._state.close = keep

    # -- pictures, objects and shapes

    def _picture(self, _: int | None) -> None:
        self.pictures += 1
        self._sink()
        self._state.mute = True

    def _object(self, _: int | None) -> None:
        self.objects += 1

    def _property_name(self, _: int | None) -> None:
        def keep(state: _State) -> None:
            self._name = string(state.sink).strip()

        self._sink()
        self._state.mute = False
        self._state.close = keep

    def _property(self, _: int | None) -> None:
        flow = self._flow

        def keep(state: _State) -> None:
            said = " ".join(string(state.sink).split())
            if said and self._name == "wzDescription":
                flow.asides.append(f"Picture: {said}")
            elif said and self._name == "gtextUNICODE":
                flow.asides.append(said)

        self._sink()
        self._state.mute = self._name not in ("wzDescription", "gtextUNICODE")
        self._state.close = keep

    # -- fields

    def _field(self, _: int | None) -> None:
        self._flush()
        field = _Field()
        self._fields.append(field)

        def close(_: _State) -> None:
            self._fields.pop()
            if not field.has_result and (shown := _shown(field)):
                self._say(shown)

        self._state.close = close

    def _instruction(self, _: int | None) -> None:
        field = self._fields[-1] if self._fields else _Field()

        def keep(state: _State) -> None:
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
            before = len(self._state.sink), self._flow

            def close(state: _State) -> None:
                field.has_result = (len(state.sink), self._flow) != before or field.has_result

            self._state.close = close

    def _form(self, what: str) -> Callable[[int | None], None]:
        def take(number: int | None) -> None:
            if not self._fields:
                return
            field = self._fields[-1]
            if what == "kind":
                field.kind = number or 0
            elif what == "choice" and number not in (None, 25):
                field.choice = number or 0
            elif what == "entry":
                self._sink()
                self._state.close = lambda state: field.choices.append(string(state.sink).strip())

        return take

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

    def _unicode_form(self, _: int | None) -> None:
        self._flush()

    def _set(self, name: str, value: int | bool | None = None) -> Callable[[int | None], None]:
        def take(number: int | None) -> None:
            setattr(self._state, name, value if value is not None else number or 0)

        return take

    def _direction(self, rtl: bool) -> Callable[[int | None], None]:
        def take(_: int | None) -> None:
            if self._state.rtl is not rtl or self._state.assoc >= 0:
                self._flush()
                self._state.rtl = rtl
                self._choose_codec()

        return take

    def _default_font(self, number: int | None) -> None:
        self._deff = number or 0
        self._choose_codec()

    def _take_lines(self, _: int | None) -> None:
        if not self._flows:
            self.lines = True
            self._flow._lines = True

    def _fixed_page(self, codec: str) -> Callable[[int | None], None]:
        def take(_: int | None) -> None:
            if not self.western and not self.named_page:
                self.default = codec
                self._codecs.clear()
                self._choose_codec()

        return take

    def _handlers(self) -> dict[bytes, Callable[[int | None], None]]:
        def said(text: str) -> Callable[[int | None], None]:
            return lambda _: self._character(text)

        def skip(_: int | None) -> None:
            self._skip()

        handlers: dict[bytes, Callable[[int | None], None]] = {
            **{word: said(text) for word, text in _CHARACTERS.items()},
            **dict.fromkeys(_SKIPPED, skip),
            **dict.fromkeys((b"par", b"page", b"sect", b"column", b"softpage"), self._paragraph),
            **dict.fromkeys((b"header", b"headerl", b"headerr", b"headerf"), self._header),
            **dict.fromkeys((b"footer", b"footerl", b"footerr", b"footerf"), self._header),
            **dict.fromkeys((b"shptxt", b"dptxbxtext"), self._text_box),
            **dict.fromkeys((b"listtext", b"pntext"), self._mark),
            **dict.fromkeys((b"sp", b"shpinst", b"picprop"), self._unicode_form),
            b"u": self._unicode, b"uc": self._set("uc"), b"f": self._font, b"af": self._set("assoc"),
            b"rtlch": self._direction(True), b"ltrch": self._direction(False), b"plain": self._plain,
            b"pard": self._paragraph_plain, b"intbl": self._in_table, b"itap": self._table_level,
            b"cell": self._cell(False), b"nestcell": self._cell(True), b"row": self._row(False),
            b"nestrow": self._row(True), b"s": self._style, b"outlinelevel": self._outline, b"ls": self._in_list,
            b"ilvl": self._list_level, b"ansicpg": self._page, b"mac": self._fixed_page("mac_roman"),
            b"pc": self._fixed_page("cp437"), b"pca": self._fixed_page("cp850"), b"deff": self._default_font,
            b"fonttbl": self._font_table, b"fcharset": self._charset, b"cpg": self._page_of_font,
            b"stylesheet": self._style_sheet, b"sbasedon": self._based_on, b"info": self._part(b"info"),
            b"title": self._fact("title"), b"author": self._fact("author"), b"subject": self._fact("subject"),
            b"keywords": self._fact("keywords"), b"creatim": self._date("created"), b"revtim": self._date("date"),
            b"yr": self._date_part(4), b"mo": self._date_part(2), b"dy": self._date_part(2),
            b"printim": self._date(""), b"buptim": self._date(""),
            b"listtable": self._part(b"listtable"), b"listoverridetable": self._part(b"listoverridetable"),
            b"list": self._list, b"levelnfc": self._number_format, b"listid": self._list_number,
            b"footnote": self._footnote, b"ftnalt": self._is_endnote, b"annotation": self._comment,
            b"atnauthor": self._comment_author, b"chpgn": self._page_number, b"pict": self._picture,
            b"object": self._object, b"sn": self._property_name, b"sv": self._property, b"field": self._field,
            b"fldinst": self._instruction, b"fldrslt": self._result, b"fftype": self._form("kind"),
            b"ffres": self._form("choice"), b"ffdefres": self._form("choice"), b"ffl": self._form("entry"),
            b"formfield": self._mute, b"fromhtml": self._from_html, b"fromtext": self._take_lines,
            b"cocoartf": self._take_lines, b"htmltag": self._html_tag, b"htmlrtf": self._not_html,
            b"deleted": self._delete, b"bin": self._binary, b"upr": self._two_forms, b"ud": self._unicode_form,
        }  # fmt: skip
        return handlers


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
    if kind == "EQ":
        ruby = _RUBY.search(said)
        if ruby:
            return f"{_ARGUMENT.sub('', ruby[2]).strip()}({_ARGUMENT.sub('', ruby[1]).strip()})"
        return " ".join(_ARGUMENT.sub(" ", said.partition(" ")[2]).replace(",", " ").split())
    return ""
