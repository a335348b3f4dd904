"""The tokens and groups of an RTF file, and its text in the encoding of the font that it is written in."""

from __future__ import annotations

import re
from collections.abc import Callable

from ragcli.loading.rtf import codec as rtf_codec
from ragcli.loading.rtf.flow import Place

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?"  # 1 word, 2 its number
    rb"|((?:\\'[0-9a-fA-F]{2})+)"  # 3 bytes
    rb"|\\([^a-zA-Z])"  # 4 symbol
    rb"|([{}])"  # 5
    rb"|([^\\{}\r\n\0]+)"  # 6 text
)
_WORD, _NUMBERED, _BYTES, _SYMBOL, _BRACE = 1, 2, 3, 4, 5
_GROUP = re.compile(rb"[{}]|\\bin(\d{1,10}) ?|\\.", re.S)
_SIGNS = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\t": "\t"}
# Groups that begin with \* and yet hold text, or what says how to read it. All others with \* are skipped.
STARRED = {
    b"shpinst", b"shppict", b"picprop", b"do", b"ud", b"fldinst", b"annotation", b"atnauthor", b"nesttableprops",
    b"listtable", b"listoverridetable", b"formfield", b"ffl", b"htmltag", b"moMath", b"moMathPara", b"footnote",
}  # fmt: skip
_MOST_HIGH = 100_000  # bytes of text that is looked at for its encoding

Handler = Callable[[int | None], None]


class State:
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
        self.close: Callable[[State], None] | None = None

    def copy(self) -> State:
        """Return what a group begins with."""
        made = State.__new__(State)
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


class Tokens:
    """Reads a file once, from its first token to its last.

    Args:
        data: the file.
        western: the codec of text that names none or Western, where it is known to be another.
    """

    def __init__(self, data: bytes, western: str | None = None) -> None:
        self.data = data
        self.western = western
        self.default = western or rtf_codec.WESTERN
        self.undecodable = 0
        self.unbalanced = False
        self.after = 0  # bytes after the end
        self.high: list[bytes] = []  # Western text that may be something else
        self._high_room = _MOST_HIGH
        self._state = State([])
        self._stack: list[State] = []
        self._bytes = bytearray()
        self._codec = self.default
        self._fallback = 0  # characters to leave out after one that is given by its number
        self._starred = False
        self._skip_group = False
        self._goes_on = False  # after the last group
        self._jump = -1  # where to go on
        self._at = 0  # the end of the token
        self._words: dict[bytes, Handler] = {}

    # -- what the reader adds

    def _open_part(self, state: State) -> None:
        """Begin a group in a table at the beginning of the file."""

    def _choose_codec(self) -> None:
        """Choose the codec of the text that follows."""

    def _paragraph(self, _: int | None) -> None:
        """End a paragraph."""

    # -- tokens

    def run(self) -> None:
        """Read the file."""
        data, words = self.data, self._words
        position, end = 0, len(data)
        while position < end:
            for found in _TOKEN.finditer(data, position):
                kind = found.lastindex
                if kind == _BRACE:
                    self._fallback = 0
                    if data[found.start()] == 123:
                        self._open()
                    else:
                        self._at = found.end()
                        self._close()
                        if not self._stack and self._is_end():
                            return
                elif kind is None:
                    continue
                elif kind <= _NUMBERED:
                    word = found[1]
                    handler = words.get(word)
                    if handler is not None:
                        self._at = found.end()
                        if self._starred and word not in STARRED:
                            self._starred = False
                            self._skip()
                        else:
                            self._starred = False
                            handler(int(found[2]) if kind == _NUMBERED else None)
                    elif self._starred:
                        self._starred = False
                        if word not in STARRED:
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

    # -- groups

    def _open(self) -> None:
        self._starred = False
        state = self._state
        self._stack.append(state)
        self._state = state.copy()
        if state.part:
            self._open_part(self._state)
        if self._skip_group:  # the first of two forms of the same
            self._skip_group = False
            self._state.mute = True
            self._state.sink = []

    def _close(self) -> None:
        """End a group."""
        if not self._stack:
            return
        self._flush()
        closed = self._state
        if closed.close is not None:
            closed.close(closed)
        self._state = self._stack.pop()
        self._choose_codec()

    def _is_end(self) -> bool:
        """Whether the file is over, now that its last group is: some have one brace too many in their middle."""
        if self._goes_on:
            return False
        rest = self.data[self._at :].strip(b" \t\r\n\0\x1a}")
        self._goes_on = b"\\par" in rest or b"{\\rtf" in rest
        self.after = 0 if self._goes_on else len(rest)
        return not self._goes_on

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
            if self._state.part in (b"", b"info"):  # not the names of fonts and styles
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
        self._say(text)

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
