"""What stands at the beginning of an RTF file: encodings, fonts, styles, lists, and facts about the file."""

from __future__ import annotations

import re

from ragcli.loading.rtf import codec as rtf_codec
from ragcli.loading.rtf.flow import Place, string
from ragcli.loading.rtf.tokens import Handler, State, Tokens

_HEADING = re.compile(r"(?:heading|标题|標題|titre|überschrift|título|заголовок|見出し|제목)\s*(\d)", re.I)
_CODE = {"preformatted text", "html preformatted", "source code", "预格式化文本", "预格式文本", "html 预设格式"}
_LIST_LEVELS = 9


class Head(Tokens):
    """Keeps what the rest of the file refers to."""

    def __init__(self, data: bytes, western: str | None = None) -> None:
        super().__init__(data, western)
        self.info: dict[str, str] = {}
        self.named_page = False  # the file says what its encoding is
        self._fonts: dict[int, tuple[int, str]] = {}
        self._codecs: dict[int, str] = {}
        self._font_page: dict[int, str] = {}
        self._deff = -1
        self._levels: dict[int, int] = {}
        self._code: set[int] = set()
        self._formats: dict[tuple[int, int], int] = {}
        self._number_formats: dict[int, list[int]] = {}
        self._format_row: list[int] = []
        self._list_id = 0
        self._date_name = ""

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

    def _end_font(self, state: State) -> None:
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

    def _open_part(self, state: State) -> None:
        if state.part == b"stylesheet":
            self._flush()
            state.part = b"style"
            state.sink = []
            state.place = Place()
            state.close = self._end_style
        elif state.part == b"fonts":
            state.close = self._end_font

    # -- styles, lists and facts at the beginning

    def _style_sheet(self, _: int | None) -> None:
        self._sink()
        self._state.part = b"stylesheet"

    def _end_style(self, state: State) -> None:
        name = string(state.sink).strip(" ;")
        found = _HEADING.match(name)
        level = state.place.level or (min(int(found[1]) or 1, 6) if found else int(name.lower() == "title"))
        if level and state.place.style >= 0:
            self._levels[state.place.style] = level
        if name.lower() in _CODE:
            self._code.add(state.place.style)

    def _based_on(self, number: int | None) -> None:
        state = self._state
        if state.part == b"style" and not state.place.level:
            state.place.level = self._levels.get(number if number is not None else -1, 0)

    def _style(self, number: int | None) -> None:
        place = self._state.place
        place.style = number or 0
        if not self._state.part:
            place.level = self._levels.get(place.style, place.level)
            place.code = place.style in self._code

    def _outline(self, number: int | None) -> None:
        self._state.place.level = min((number or 0) + 1, 6) if 0 <= (number or 0) < 9 else 0

    def _part(self, name: bytes) -> Handler:
        def begin(_: int | None) -> None:
            self._sink()
            self._state.part = name

        return begin

    def _fact(self, name: str) -> Handler:
        def keep(state: State) -> None:
            if said := " ".join(string(state.sink).split()):
                self.info.setdefault(name, said)

        def begin(_: int | None) -> None:
            if self._state.part == b"info":
                self._sink()
                self._state.close = keep

        return begin

    def _date(self, name: str) -> Handler:
        def begin(_: int | None) -> None:
            self._date_name = name if self._state.part == b"info" else ""

        return begin

    def _date_part(self, width: int) -> Handler:
        def add(number: int | None) -> None:
            if self._state.part == b"info" and self._date_name and len(self.info.get(self._date_name, "")) < 10:
                before = self.info.get(self._date_name, "")
                self.info[self._date_name] = f"{before}{'-' if before else ''}{number or 0:0{width}}"

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

    def _direction(self, rtl: bool) -> Handler:
        def take(_: int | None) -> None:
            if self._state.rtl is not rtl or self._state.assoc >= 0:
                self._flush()
                self._state.rtl = rtl
                self._choose_codec()

        return take

    def _other_font(self, number: int | None) -> None:
        self._state.assoc = number or 0

    def _default_font(self, number: int | None) -> None:
        self._deff = number or 0
        self._choose_codec()

    def _fixed_page(self, codec: str) -> Handler:
        def take(_: int | None) -> None:
            if not self.western and not self.named_page:
                self.default = codec
                self._codecs.clear()
                self._choose_codec()

        return take

    def _head_words(self) -> dict[bytes, Handler]:
        return {
            b"ansicpg": self._page, b"mac": self._fixed_page("mac_roman"), b"pc": self._fixed_page("cp437"),
            b"pca": self._fixed_page("cp850"), b"deff": self._default_font, b"f": self._font, b"af": self._other_font,
            b"rtlch": self._direction(True), b"ltrch": self._direction(False), b"fonttbl": self._font_table,
            b"fcharset": self._charset, b"cpg": self._page_of_font, b"stylesheet": self._style_sheet,
            b"sbasedon": self._based_on, b"s": self._style, b"outlinelevel": self._outline,
            b"info": self._part(b"info"), b"title": self._fact("title"), b"author": self._fact("author"),
            b"subject": self._fact("subject"), b"keywords": self._fact("keywords"), b"creatim": self._date("created"),
            b"revtim": self._date("date"), b"printim": self._date(""), b"buptim": self._date(""),
            b"yr": self._date_part(4), b"mo": self._date_part(2), b"dy": self._date_part(2),
            b"listtable": self._part(b"listtable"), b"listoverridetable": self._part(b"listoverridetable"),
            b"list": self._list, b"levelnfc": self._number_format, b"listid": self._list_number, b"ls": self._in_list,
            b"ilvl": self._list_level,
        }  # fmt: skip
