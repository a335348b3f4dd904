"""LibreOffice as a converter.

It runs without a window, with a profile of its own (so that it gets in nobody's way, and nobody's macros and
settings in its), without macros, links or a way to the network, and not longer than its time.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ragcli.errors import LoadError

_PROFILE = "ragcli-libreoffice-"
_SECONDS = 100.0  # less than the watchdog's time, so that it is this module that ends LibreOffice
_PLACES = (
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
    "C:/Program Files/LibreOffice/program/soffice.exe",
    "C:/Program Files (x86)/LibreOffice/program/soffice.exe",
    "/usr/lib/libreoffice/program/soffice",
    "/opt/libreoffice/program/soffice",
    "/snap/bin/libreoffice",
)
# Between ragcli and LibreOffice: when ragcli ends in whatever way, its end of the pipe closes, and all processes of
# LibreOffice (there are three) end with this one.
_GUARD = """
import os, signal, subprocess, sys, threading
def watch():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)
threading.Thread(target=watch, daemon=True).start()
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
os._exit(code & 255)
"""
_SETTINGS = (
    ("org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("org.openoffice.Office.Common/Security/Scripting", "CheckDocumentEvents", "true"),
    ("org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("org.openoffice.Office.Writer/Content/Update", "Field", "false"),
    ("org.openoffice.Office.Calc/Content/Update", "Link", "2"),
    ("org.openoffice.Office.Common/Misc", "FirstRun", "false"),
    ("org.openoffice.Office.Common/Misc", "CrashReport", "false"),
    ("org.openoffice.Inet/Settings", "ooInetProxyType", "2"),  # one that is not there
    *(("org.openoffice.Inet/Settings", f"ooInet{name}ProxyName", "127.0.0.1") for name in ("HTTP", "HTTPS", "FTP")),
    *(("org.openoffice.Inet/Settings", f"ooInet{name}ProxyPort", "9") for name in ("HTTP", "HTTPS", "FTP")),
)


def find() -> str | None:
    """Return the program: what ``RAGCLI_SOFFICE`` names, else that of the path, else where it usually is."""
    given = os.environ.get("RAGCLI_SOFFICE")
    if given:
        return shutil.which(given)
    for name in ("soffice", "libreoffice", "soffice.com"):
        if found := shutil.which(name):
            return found
    return next((place for place in _PLACES if Path(place).is_file()), None)


def convert(program: str, data: bytes, *, suffix: str, to: str) -> bytes:
    """Return a document in another format.

    Args:
        program: LibreOffice.
        data: the document.
        suffix: what says its type, with its dot.
        to: the suffix of the other format, without a dot.

    Raises:
        LoadError: LibreOffice cannot read it, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="ragcli-") as folder:
        given = Path(folder, "in", f"file{suffix}")
        given.parent.mkdir()
        given.write_bytes(data)
        out = Path(folder, "out")
        command = [
            *(program, f"-env:UserInstallation={_profile().as_uri()}", "--headless", "--norestore", "--nolockcheck"),
            *("--nofirststartwizard", "--nologo", "--nodefault", "--convert-to", to, "--outdir", str(out), str(given)),
        ]
        log = Path(folder, "log")
        _run(command, log)
        made = out / f"file.{to}"
        if not made.is_file():
            said = log.read_text("utf-8", "replace").strip().rpartition("\n")[2][:200]
            raise LoadError(f"LibreOffice cannot read it{f' ({said})' if said else ''}.")
        return made.read_bytes()


def _run(command: list[str], log: Path) -> None:
    """Run a command for a limited time."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    with log.open("wb") as said:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, *command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env={**environment, "SAL_USE_VCLPLUGIN": "svp"},
            start_new_session=True,
        )
        try:
            guard.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise LoadError(f"LibreOffice took more than {_SECONDS:g} seconds for it, and was ended.") from None
        finally:
            _end(guard)


def _end(guard: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        try:
            os.killpg(guard.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    else:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(guard.pid)], capture_output=True, check=False)
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()


def _sweep() -> None:
    """Remove the profiles of processes that were killed, where the system says which are alive (Linux)."""
    if not Path("/proc/self").exists():
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PROFILE}*"):
        owner = re.match(r"(\d+)-", folder.name.removeprefix(_PROFILE))
        if owner and not Path("/proc", owner[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _profile() -> Path:
    """A profile for the time of this process: the first start fills it, later ones are three times faster."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PROFILE}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    items = "".join(
        f'<item oor:path="/{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, name, value in _SETTINGS
    )
    settings = folder / "user" / "registrymodifications.xcu"
    settings.parent.mkdir()
    settings.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry"'
        f' xmlns:xs="http://www.w3.org/2001/XMLSchema">{items}</oor:items>',
        encoding="utf-8",
    )
    return folder
