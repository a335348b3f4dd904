"""``ragcli download``: models from Hugging Face and ModelScope to disk, and what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.options import Format, FormatOption, as_table
from ragcli.cli.streams import note, output, show_log
from ragcli.errors import FAILED, OK, PARTIAL, GateError, HubError, ModelError, RagcliError, UsageError
from ragcli.records import Model

if TYPE_CHECKING:
    from ragcli.models.downloading import Wish
    from ragcli.models.installed import Installed


class Source(str, Enum):
    """Where models come from."""

    auto = "auto"
    hf = "hf"
    modelscope = "modelscope"
    built_in = "built-in"


def download(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Names on a hub: owner/name.")
    ] = None,
    source: Annotated[
        Source,
        typer.Option("--source", envvar="RAGCLI_SOURCE", help="The hub; auto takes the one that delivers."),
    ] = Source.auto,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit. The main branch by default.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="PATTERN", help="Only files that match, as '*q4_k_m.gguf'; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="No files that match; repeatable.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every file, not one copy of the weights and what is needed to run them.")
    ] = False,
    local_dir: Annotated[
        Path | None,
        typer.Option("--local-dir", metavar="DIR", help="Put the files into DIR, not into the hub's cache."),
    ] = None,
    cache_dir: Annotated[
        Path | None, typer.Option("--cache-dir", metavar="DIR", help="Another cache than the hub's own.")
    ] = None,
    max_workers: Annotated[
        int, typer.Option("--max-workers", metavar="N", min=1, envvar="RAGCLI_MAX_WORKERS", help="Files at once.")
    ] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show files and bytes, and write nothing.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="RAGCLI_OFFLINE", help="Send nothing; take what is on disk.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare what is on disk with the hub's hashes.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the models on disk: size, revision, last use.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the models from disk.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="RAGCLI_QUIET", help="The path alone on stdout, errors on stderr.")
    ] = False,
    format_: FormatOption = None,
) -> int:
    """Bring models from Hugging Face or ModelScope to disk.

    \b
    One record a model: id, source, revision (the commit), path, files, bytes, seconds. What was begun goes on
    where it ended, also after a kill; every file is compared with the hub's hash. HF_ENDPOINT, HF_TOKEN,
    MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN, HTTPS_PROXY and HF_HUB_OFFLINE count as they do for the clients.

    \b
    ragcli download Qwen/Qwen2.5-7B-Instruct
    ragcli embed -t kb -m "$(ragcli download -q BAAI/bge-small-zh-v1.5)" < chunks.jsonl
    ragcli download Qwen/Qwen2.5-7B-Instruct-GGUF --include '*q4_k_m.gguf'
    ragcli download --list
    """
    names = models or []
    if sum((list_, remove, verify, dry_run)) > 1 and not (remove and dry_run):
        raise UsageError("--list, --remove, --verify and --dry-run each stand alone.", hint="Give one of them.")
    if not names and not (list_ or verify):
        raise UsageError("no model is named.", hint="ragcli download Qwen/Qwen2.5-0.5B-Instruct")
    if local_dir is not None and len(names) != 1:
        raise UsageError("--local-dir takes the files of one model.", hint="Name one, or leave --local-dir out.")
    if local_dir is not None and cache_dir is not None:
        raise UsageError("--local-dir and --cache-dir exclude each other.")
    if not quiet:
        show_log("download")
    if list_ or remove or verify:
        chosen = _chosen(names, source, revision, cache_dir, local_dir)
        if list_:
            return _write((one.record() for one in chosen), quiet, format_)
        return _remove(chosen, dry_run, quiet, format_) if remove else _verify(chosen, quiet, format_)
    from ragcli.models.downloading import Wish

    wish = Wish(
        revision=revision,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        everything=everything,
        local=local_dir.absolute() if local_dir is not None else None,
        cache=cache_dir.absolute() if cache_dir is not None else None,
        workers=max_workers,
    )
    failed: list[RagcliError] = []
    code = _write(_bring(names, source, wish, offline, dry_run, failed), quiet, format_)
    if failed and len(names) == 1:
        raise failed[0]
    return code if not failed else FAILED if len(failed) == len(names) else PARTIAL


def _bring(
    names: Sequence[str], source: Source, wish: Wish, offline: bool, dry_run: bool, failed: list[RagcliError]
) -> Iterator[Model]:
    from ragcli.cli.run import complain
    from ragcli.models.downloading import download as bring

    for name in names:
        try:
            yield bring(name, source=source.value, wish=wish, offline=offline, dry_run=dry_run)
        except (HubError, ModelError, UsageError) as error:
            failed.append(error)
            if len(names) > 1:
                complain(error.message, error.hint, ["download"])


def _write(models: Iterator[Model], quiet: bool, format_: Format | None) -> int:
    with output() as out:
        if quiet:
            for one in models:
                if one.path is not None:
                    out.line(one.path.encode())
        elif as_table(format_):
            from ragcli.cli.display_models import show_models

            show_models(models)
        else:
            for one in models:
                out.write(one)
    return OK


def _chosen(
    names: Sequence[str], source: Source, revision: str | None, cache: Path | None, local: Path | None
) -> list[Installed]:
    """Return what is on disk of the models that are named, of all where none is."""
    from ragcli.models import builtin
    from ragcli.models.installed import BUILT_IN, at, find, installed

    sources = ("hf", "modelscope", BUILT_IN) if source is Source.auto else (source.value,)
    if local is not None:
        model = at(names[0], local, revision)
        if model is None:
            raise ModelError(f"{local} holds no model that ragcli brought.", hint="ragcli download brings it anew.")
        return [model]
    if not names:
        return list(installed(sources, cache))
    found: list[Installed] = []
    for name in names:
        own = builtin.named(name)
        if own is not None:
            here = [one for one in installed((BUILT_IN,)) if BUILT_IN in sources and one.id == own.id]
        else:
            hubs = [one for one in sources if one != BUILT_IN]
            here = find(name, sources=hubs, revision=revision, cache=cache)
        if not here:
            at_ = f" at {revision}" if revision else ""
            raise ModelError(f"{name}{at_} is not on this machine.", hint="ragcli download --list shows what is there.")
        found += here
    return found


def _remove(chosen: Sequence[Installed], dry_run: bool, quiet: bool, format_: Format | None) -> int:
    from dataclasses import replace

    from ragcli.models.installed import remove

    def gone() -> Iterator[Model]:
        for one in chosen:
            record = one.record()
            freed = None if dry_run else remove(one)
            yield replace(record, extra={**record.extra, "removed": not dry_run, "freed": freed})

    return _write(gone(), quiet, format_)


def _verify(chosen: Sequence[Installed], quiet: bool, format_: Format | None) -> int:
    from dataclasses import replace

    from ragcli.cli.run import complain
    from ragcli.models.installed import again, verify

    bad: list[str] = []
    unknown: list[str] = []

    def checked() -> Iterator[Model]:
        for one in chosen:
            wrong: list[tuple[str, str]] = []
            verified: bool | None = None
            try:
                wrong = verify(one)
            except ModelError as error:  # nothing to compare with; the others are checked
                complain(error.message, error.hint, ["download"])
                unknown.append(one.id)
            else:
                verified = not wrong and again(one).fault is None
            for path, reason in wrong:
                note(f"ragcli download: {one.id}: {path}: {reason}")
            if verified is False:
                bad.append(one.id)
            record = again(one).record()
            extra = {**record.extra, "verified": verified, "damaged": [path for path, _ in wrong]}
            yield replace(record, extra=extra)

    _write(checked(), quiet, format_)
    if bad:
        hint = "ragcli download with the name brings what is damaged or missing anew."
        raise GateError(f"not whole: {', '.join(dict.fromkeys(bad))}.", hint=hint)
    return PARTIAL if unknown else OK
