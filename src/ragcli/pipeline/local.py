"""The engine of this process: a thread loads and splits, with processes that read files; this one embeds and writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ragcli.indexing import fill
from ragcli.loading.discovery import Found
from ragcli.loading.known import Known
from ragcli.loading.source import Options
from ragcli.pipeline.ahead import Ahead
from ragcli.pipeline.plan import Done, Plan, Reports, Watch, settled
from ragcli.records import Chunk
from ragcli.splitting import split

MOST_CHUNKS = 10_000  # that wait to be embedded
MOST_CHARACTERS = 16_000_000  # of theirs
MOST_SECONDS = 0.5  # that a chunk waits for others, to be embedded with them


def run(plan: Plan, reports: Reports, watch: Watch) -> Done:
    """Run a plan; see `ragcli.pipeline.run`."""
    plan = settled(plan)
    assert plan.embedding is not None
    known = _nothing if plan.embedding.again else Known(plan.db, plan.table).holds
    how = plan.splitting.arguments()
    split((), **how)  # settings that make no sense are said before a thread starts

    def chunks(unwanted: threading.Event) -> Iterator[Chunk]:
        documents = plan.loading.documents(
            plan.inputs, new_to=known, outputs=plan.outputs, unwanted=unwanted, report=reports.load
        )
        return split(documents, **how, report=reports.split)

    with Ahead(
        chunks, weigh=_characters, most=MOST_CHUNKS, most_weight=MOST_CHARACTERS,
        made=watch.seen, waiting=watch.waiting,
    ) as ahead:  # fmt: skip
        filled = fill(
            ahead, plan.db, plan.table, embedding=plan.embedding, prune=plan.prune, model_first=False,
            report=reports.embed, progress=watch.advance, more=lambda: ahead.ready(MOST_SECONDS),
        )  # fmt: skip
    return Done(documents=reports.split.counts["documents_in"], filled=filled)


def _nothing(found: Found, options: Options) -> bool:
    """Say of each file that it is to be read."""
    return False


def _characters(chunk: Chunk) -> int:
    return len(chunk.text) + len(chunk.header)
