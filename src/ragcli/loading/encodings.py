"""Bytes to text: byte order mark, then strict UTF-8, then what is declared, then detection.

Detection is chardet 7 (0BSD) restricted to the encodings that text files are written in today. Measured on
passages of CMRC2018 (simplified, and made traditional), Japanese, Western and Central European texts; share
decoded exactly, 60 samples each, chardet with this list against charset-normalizer 3.5:

    characters         20          50         100         500        2000
    gb18030          .98 .87    1.0 .98    1.0 1.0    1.0 .92    1.0 .95
    big5 (cp950)     1.0 .83    1.0 1.0    1.0 1.0    1.0 1.0    1.0 .90
    shift_jis        .97 .87    1.0 .90    1.0 .93    1.0 1.0    1.0 1.0
    euc-jp           .93 .53    .98 .82    .98 .93    1.0 1.0    1.0 1.0
    windows-1252     .88 .45    .99 .50    1.0 .57    1.0 .75    1.0 .60
    windows-1250     .99  -     1.0  -     1.0  -     1.0  -     1.0  -

Wrong answers come from fewer than 100 bytes and low confidence: these are reported as a guess. UTF-16 without
a mark is found by counting, because chardet misses half of it in Chinese texts of 50 characters. One bad byte is
enough for chardet to leave the multi-byte encodings out, so that these are tried again by what they make of the text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ragcli.errors import LoadError
from ragcli.loading import iso2022

codecs.register(iso2022.find)

_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MULTIBYTE = ("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949")
_LATIN = ("cp1250", "cp1252", "cp1254")
_CYRILLIC = ("cp1251", "koi8-r", "iso8859-5", "cp866")
_DETECTED = ("utf-8", *_MULTIBYTE, *_LATIN, *_CYRILLIC, "cp1253", "cp1255", "cp1256", "iso8859-2", "iso8859-6", "cp874")
# What Windows writes under the name comes first, the larger standard second.
_TRIES = {
    "big5hkscs": ("cp950", "big5hkscs"),
    "cp932": ("cp932", "shift_jis_2004"),
    "euc_jis_2004": ("euc_jp", "euc_jis_2004"),
}
_ALIASES = {  # as browsers read these names
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "big5": "cp950",
    "euc_kr": "cp949",
    "iso2022_jp": iso2022.NAME,
}
_JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\(I)")
_SUPERSETS = {"iso8859-2": "cp1250", "iso8859-6": "cp1256"}
_SURE_BYTES = 100
_SURE = 0.3
_SURE_SEQUENCES = 6  # so many multi-byte sequences are not valid UTF-8 by accident
_WINDOW = 200_000

_LEAST_UTF16 = 16  # bytes of such a text without a zero byte
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 26, 27}) + b"\x7f"
_SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_SPACED = re.compile(r"[\t\n\r -~\u00a0-\u1fff\u2010-\u203a\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]")
_PLAUSIBLE = re.compile(r"[\t\n\r -~\u00a0-\u024f\u0370-\u052f\u2010-\u203a\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")
_COMMON = re.compile(
    r"[\t\n\r -~\u00a0-\u00ff\u0400-\u044f\u3000-\u3002\u300a-\u300f\u3040-\u30ff\uff01\uff08-\uff0e\uff10-\uff1b"
    r"的一是在不了有和人这中大为上个国我以要他时来用们这說说於于与與這個會会對对為也到]"
)
_COMMON_CJK = re.compile(
    r"[，。、！？：的一是在不了有和人这中大为上个国我以要他时来用们說这说于与與這個們時會会對对為也到年日月"
    r"\u3041-\u30f6]"
)
_BROKEN = 0.1  # of a text's characters: the most that a damaged file may lose
_LEAST_COMMON = 0.08  # of a text's characters beyond ASCII


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with ``\\n`` at line ends and no NUL; how it was read, and what was lost.

    ``encoding`` is the codec, ``undecodable`` the number of places that hold U+FFFD now, ``nuls`` the number
    of NUL characters removed, ``uncertain`` says that the encoding is a guess.
    """

    text: str
    encoding: str
    undecodable: int = 0
    nuls: int = 0
    uncertain: bool = False


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file can be text in some encoding."""
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return True
    if b"\0" in head:
        return _utf16(head) is not None or _utf32(head) is not None or head.count(b"\0") * 1000 <= len(head)
    return _few_controls(head) or _chinese_utf16(head) is not None


def _few_controls(data: bytes) -> bool:
    window = data[:_WINDOW]
    return (len(window) - len(window.translate(None, _CONTROLS.replace(b"\0", b"")))) * 100 <= len(window)


def _utf16(data: bytes) -> str | None:
    """The byte order of UTF-16 without a mark, or None: nearly all units must be usual, many very common."""
    window = data[: _WINDOW // 4 * 2]
    if len(window) < 4 or (len(data) % 2 and len(data) == len(window)):
        return None
    best = 0.0
    codec: str | None = None
    usual = _SPACED if b"\0" in window else _PLAUSIBLE  # spaces and line ends: then any living script will do
    for name in ("utf-16-le", "utf-16-be"):
        text = window.decode(name, "replace")
        common = len(_COMMON.findall(text)) / len(text)
        if common > best and len(usual.findall(text)) >= 0.97 * len(text):
            best, codec = common, name
    return codec if best >= 0.1 else None


def _utf32(data: bytes) -> str | None:
    """The byte order of UTF-32 without a mark, or None: hardly any other bytes are valid as it."""
    window = data[: _WINDOW // 4 * 4]
    window = window[: len(window) // 4 * 4]
    for name in ("utf-32-le", "utf-32-be"):
        if len(window) >= _LEAST_UTF16 and _decodes(window, name):
            text = window.decode(name)
            return name if len(_SPACED.findall(text)) >= 0.97 * len(text) else None
    return None


def _chinese_utf16(data: bytes) -> str | None:
    """The byte order of UTF-16 without a blank or a line end, so without a zero byte: nearly all of it is common."""
    found = _utf16(data) if len(data) >= _LEAST_UTF16 else None
    if found is None:
        return None
    text = data[: _WINDOW // 4 * 2].decode(found, "replace")
    for codec, last in (("gb2312", 0xD7), ("big5", 0xC6), ("euc_kr", 0xC8)):  # the common ones come first
        if sum(lead <= last for lead in text.encode(codec, "ignore")[::2]) >= 0.9 * len(text):
            return found
    return None


def canonical(name: str) -> str | None:
    """The codec that a declared name means, or None when there is none; ``gb2312`` means ``gb18030``."""
    name = name.strip().strip("'\"").lower()
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return canonical(name[2:]) if name.startswith("x-") else None
    try:
        "".encode(found)
    except LookupError:  # rot13 and its like are no text encodings
        return None
    return _ALIASES.get(found, found)


def choose(data: bytes, *, complete: bool, given: str | None = None, declared: str | None = None) -> tuple[str, bool]:
    """Choose the codec of a text.

    Args:
        data: its bytes, or the first of them.
        complete: whether these are all.
        given: what the user says it is, where neither a mark nor long valid UTF-8 says otherwise.
        declared: what the content or a server says it is.

    Returns:
        The codec, and whether that is sure.

    Raises:
        LoadError: the bytes are not text.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return codec, True
    utf8 = _is_utf8(data, complete)
    nul = b"\0" in data
    sequences = len(_SEQUENCE.findall(data, 0, _WINDOW)) if utf8 and not nul else 0
    if given and (found := canonical(given)) and sequences < _SURE_SEQUENCES:
        return found, True
    if nul and (units := _utf16(data)):
        return units, True
    if not nul and not utf8 and not _few_controls(data) and (units := _chinese_utf16(data)):
        return units, False
    if nul and len(data) % 4 == 0 and (wide := _utf32(data)):
        return wide, True
    if declared and (found := canonical(declared)) and sequences < _SURE_SEQUENCES and not nul:
        try:
            codecs.getincrementaldecoder(found)("strict").decode(data, complete)
            return found, True
        except UnicodeError:
            pass
    if utf8 and not nul and b"\x1b$)C" in data and _decodes(data, "iso2022_kr"):
        return "iso2022_kr", True
    if utf8 and not nul and b"\x1b$" in data and _decodes(data, "iso2022_jp_2"):
        return "iso2022_jp_2", True
    if utf8 and not nul and _JAPANESE.search(data, 0, _WINDOW):
        return iso2022.NAME, _decodes(data, iso2022.NAME)
    if utf8 and _HZ.search(data, 0, _WINDOW) and _decodes(data, "hz"):
        return "hz", True
    if not _few_controls(data) or data.count(b"\0") * 1000 > len(data):
        raise LoadError("it is binary, not text.", hint="If it is text, name its encoding with --encoding.")
    if utf8 or _nearly_utf8(data):
        return "utf-8", True
    return _detect(data)


def _is_utf8(data: bytes, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(data, complete)
    except UnicodeDecodeError:
        return False
    return True


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeError:
        return False
    return True


def _nearly_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 with a few broken bytes: far more valid sequences than broken places."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    valid = len(_SEQUENCE.findall(data)) if broken else 0
    return valid >= 20 * broken


def _detect(data: bytes) -> tuple[str, bool]:
    utf16 = _utf16(data)
    if utf16:
        return utf16, True
    import chardet  # only where UTF-8 is ruled out: 30 ms

    first = next((at for at in range(0, len(data), 4096) if not data[at : at + 4096].isascii()), 0)
    window = data[first : first + _WINDOW]
    found = chardet.detect(window, include_encodings=_DETECTED, prefer_superset=False, compat_names=False)
    codec = canonical(found["encoding"] or "cp1252") or "cp1252"
    codec = {"big5": "big5hkscs", "euc_jp": "euc_jis_2004", "shift_jis": "cp932"}.get(codec, codec)
    if codec in _SUPERSETS and re.search(rb"[\x80-\x9f]", window):  # letters there, where the standard has controls
        codec = _SUPERSETS[codec]
    if codec not in _MULTIBYTE and (damaged := _damaged(window)):
        return damaged, True
    high = sum(byte > 127 for byte in window[:_WINDOW])
    if codec in _MULTIBYTE:
        sure = (found["confidence"] or 0) >= _SURE or high >= _SURE_BYTES
    else:  # Latin text is mostly ASCII; where it is not, it is more likely a multi-byte text too short to tell
        sure = len(window) >= _SURE_BYTES and (codec not in _LATIN or high <= 0.3 * len(window))
    for attempt in _TRIES.get(codec, (codec,)):
        if _decodes(data, attempt):
            return attempt, sure
    return _TRIES.get(codec, (codec,))[0], sure


def _damaged(window: bytes) -> str | None:
    """The multi-byte encoding of a text with a few broken bytes, or None: nearly all of it must be usual text."""
    best, chosen = 0.0, None
    for codec in ("utf-8", "gb18030", "cp950", "cp932"):
        text = window.decode(codec, "replace")
        beyond = sum(char > "\x7f" for char in text)
        broken = text.count("\ufffd")
        common = len(_COMMON_CJK.findall(text)) / max(beyond, 1)
        if broken <= _BROKEN * beyond and common >= _LEAST_COMMON and common - broken / beyond > best:
            best, chosen = common - broken / beyond, codec
    return chosen


def clean_up(text: str) -> tuple[str, int]:
    """Return the text with ``\\n`` for ``\\r\\n`` and ``\\r`` and without NUL, and the number of NULs."""
    nuls = text.count("\0")
    if nuls:
        text = text.replace("\0", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, nuls


def decode(data: bytes, *, given: str | None = None, declared: str | None = None) -> Decoded:
    """Decode a whole text.

    Raises:
        LoadError: the bytes are not text.
    """
    codec, sure = choose(data, complete=True, given=given, declared=declared)
    for mark, marked in _MARKS:
        if codec == marked and data.startswith(mark):
            data = data[len(mark) :]
            break
    try:
        text, undecodable = data.decode(codec), 0
    except UnicodeError:
        text = data.decode(codec, "replace")
        undecodable = text.count("\ufffd") - (data.count(b"\xef\xbf\xbd") if codec == "utf-8" else 0)
    text, nuls = clean_up(text)
    return Decoded(text, codec, undecodable, nuls, not sure)


def recoded(stream: Iterable[bytes], codec: str, on_lost: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the lines of a stream in another encoding as UTF-8, without a byte order mark.

    Args:
        stream: the bytes, in pieces of any size.
        codec: what they are in.
        on_lost: called at the end with the number of places that could not be decoded, where there are any; U+FFFD
            stands there.
    """
    decoder = codecs.getincrementaldecoder(codec)("replace")
    rest, lost, first = "", 0, True
    for block in stream:
        text = decoder.decode(block)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        lost += text.count("\ufffd")
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield line.encode("utf-8", "replace") + b"\n"
    rest += decoder.decode(b"", True)
    if rest:
        yield rest.encode("utf-8", "replace")
    if lost:
        on_lost(lost)
