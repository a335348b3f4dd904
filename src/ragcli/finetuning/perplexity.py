"""Perplexity of a causal language model: how surprised it is by text, a token, and a byte or a character of it.

Perplexity is exp of the mean negative log-likelihood over all tokens that are predicted, not of a mean over texts. Two
models with one tokenizer are compared by it; two tokenizers by bits per byte, as the number of tokens is not the same.

Logits of large vocabularies take more memory than all activations (152,000 entries in float32: .6 MB a token), so the
last layer is computed for a few tokens at a time, inside the model's own forward pass.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ragcli.errors import InputError
from ragcli.records import Json

IGNORED = -100  # as in transformers: a label that does not count
LENGTH = 1024  # tokens of a text at most
TOKENS = 2048  # of one pass, padding included
LOGITS = 256 << 20  # bytes of logits, in float32, at a time
_PILOT = 2  # texts that the speed is measured on


@dataclass(frozen=True, slots=True, kw_only=True)
class Perplexity:
    """How well a model predicts texts.

    Args:
        nll: negative log-likelihood in nats, the mean over predicted tokens.
        tokens: how many were predicted.
        texts: how many were measured.
        left_out: texts for which there was no time.
        cut: tokens that stood beyond the length.
        bytes: what the predicted tokens stand for, in UTF-8; 0 where only tokens were given.
        characters: likewise, in characters.
        seconds: the time it took.
    """

    nll: float
    tokens: int
    texts: int
    left_out: int = 0
    cut: int = 0
    bytes: int = 0
    characters: int = 0
    seconds: float = 0.0

    @property
    def value(self) -> float:
        """Return the perplexity: exp of the mean; infinite where that is too large for a float."""
        try:
            return math.exp(self.nll)
        except OverflowError:
            return math.inf

    @property
    def bits_per_byte(self) -> float | None:
        """Return the bits that a byte of UTF-8 takes; None where only tokens were given."""
        return self.nll * self.tokens / math.log(2) / self.bytes if self.bytes else None

    @property
    def bits_per_character(self) -> float | None:
        """Return the bits that a character takes; None where only tokens were given."""
        return self.nll * self.tokens / math.log(2) / self.characters if self.characters else None

    def record(self) -> Json:
        """Return it as a JSON object; what is no finite number is null."""
        values = {
            "perplexity": self.value,
            "nll": self.nll,
            "bits_per_byte": self.bits_per_byte,
            "bits_per_character": self.bits_per_character,
        }
        kept = {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}
        counts = {"tokens": self.tokens, "texts": self.texts, "left_out": self.left_out, "cut": self.cut}
        return {"type": "perplexity", **kept, **counts, "seconds": round(self.seconds, 3)}


@dataclass(slots=True)
class _Sum:
    nll: float = 0.0
    tokens: int = 0
    texts: int = 0
    cut: int = 0
    bytes: int = 0
    characters: int = 0


def of_texts(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    length: int = LENGTH,
    limit: int | None = None,
    seconds: float | None = None,
    adapter: bool = True,
) -> Perplexity:
    """Measure a model on plain texts.

    A text begins with the tokenizer's own first token, where it has one (``<bos>``); otherwise its first token is only
    read, not predicted: what would stand before it, the model has not learned.

    Args:
        model: a causal model of transformers or of PEFT, on any device, not wrapped by a trainer; it is left in the
            mode it was in.
        tokenizer: of the model.
        texts: in an order of which each beginning is a fair sample.
        length: tokens of a text at most; what is cut is counted.
        limit: texts at most, from the beginning; to measure the same ones again.
        seconds: the time that may be used, by the speed on the first texts; fewer texts are measured on a slow machine.
            Processes that share a model (sharding) must not be given it: each would measure another number.
        adapter: False for the base's figure, of a model of PEFT.

    Raises:
        InputError: no text has two tokens.
    """
    first = _first_token(tokenizer)
    given = texts if limit is None else texts[: max(1, limit)]
    encoded = [_encode(tokenizer, text, first, length) for text in given]
    found = _measure(model, encoded, seconds=seconds, adapter=adapter)
    if not found.tokens:
        raise InputError("perplexity: none of the texts has a token to predict.", hint="Give texts of some words.")
    return found


def of_rows(
    model: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    length: int | None = None,
    limit: int | None = None,
    seconds: float | None = None,
    adapter: bool = True,
) -> Perplexity:
    """Measure a model on rows that are tokens already, as a trainer takes them.

    Args:
        model: see `of_texts`.
        rows: each with ``input_ids`` and ``labels``, as long, in which -100 does not count; no padding. Without
            ``labels`` every token counts.
        length: tokens of a row at most; None for all.
        limit: rows at most, from the beginning.
        seconds: see `of_texts`.
        adapter: see `of_texts`.

    Raises:
        InputError: no row has a token to predict, or labels are not as long as tokens.
    """
    encoded = []
    for at in range(len(rows) if limit is None else min(limit, len(rows))):
        row = rows[at]
        ids = list(row["input_ids"])
        labels = ids if row.get("labels") is None else list(row["labels"])
        if len(ids) != len(labels):
            raise InputError(f"perplexity: row {at + 1} has {len(ids)} tokens and {len(labels)} labels.")
        kept = len(ids) if length is None else min(length, len(ids))
        encoded.append(_Row(ids[:kept], labels[:kept], cut=len(ids) - kept))
    found = _measure(model, encoded, seconds=seconds, adapter=adapter)
    if not found.tokens:
        raise InputError("perplexity: none of the rows has a token to predict.", hint="All labels are -100.")
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    ids: list[int]
    labels: list[int]
    cut: int = 0
    covered: str = ""  # the text of what is predicted

    @property
    def predicted(self) -> int:
        return sum(label != IGNORED for label in self.labels[1:])


def _first_token(tokenizer: Any) -> int | None:
    """Return the token that the tokenizer itself puts before a text, if it does."""
    bos = tokenizer.bos_token_id
    ids = tokenizer("a")["input_ids"]
    return bos if bos is not None and ids and ids[0] == bos else None


def _encode(tokenizer: Any, text: str, first: int | None, length: int) -> _Row:
    ids = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    own = [] if first is None else [first]
    kept = ids[: max(1, length - len(own))]
    whole = len(kept) == len(ids)
    covered = text if whole else tokenizer.decode(kept)
    if first is None:  # the first token is given, not predicted
        head = tokenizer.decode(kept[:1])
        covered = covered.removeprefix(head)
    return _Row([*own, *kept], [*own, *kept], cut=len(ids) - len(kept), covered=covered)


def _measure(model: Any, rows: Sequence[_Row], *, seconds: float | None, adapter: bool) -> Perplexity:
    """Measure rows in batches of like lengths; with a time limit, as many of the first ones as there is time for."""
    import torch

    started = time.monotonic()
    usable = [row for row in rows if row.predicted]
    total = _Sum()
    off = nullcontext() if adapter or not hasattr(model, "disable_adapter") else model.disable_adapter()
    # no_grad, not inference_mode: buffers that a model makes anew here (rotary scaling) must serve training, too
    with torch.no_grad(), _evaluating(model), off:
        if seconds is not None and len(usable) > _PILOT:
            pilot, rest = usable[:_PILOT], usable[_PILOT:]
            _run(model, pilot[:1], total)  # the first pass is slower than all others
            before = time.monotonic()
            _run(model, pilot[1:], total)
            speed = len(pilot[1].ids) / max(1e-6, time.monotonic() - before)
            usable = [*pilot, *_affordable(rest, speed * (seconds - (time.monotonic() - started)))]
            _run(model, usable[_PILOT:], total)
        else:
            _run(model, usable, total)
    return Perplexity(
        nll=total.nll / total.tokens if total.tokens else math.nan,
        tokens=total.tokens,
        texts=total.texts,
        left_out=len(rows) - total.texts,
        cut=total.cut,
        bytes=total.bytes,
        characters=total.characters,
        seconds=time.monotonic() - started,
    )


def _affordable(rows: Sequence[_Row], tokens: float) -> Sequence[_Row]:
    for at, row in enumerate(rows):
        tokens -= len(row.ids)
        if tokens < 0:
            return rows[:at]
    return rows


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Switch dropout and the like off, and afterwards each module back to the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _run(model: Any, rows: Sequence[_Row], total: _Sum) -> None:
    """Add rows to the sums, the longest first, so that memory that does not suffice is seen at once."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        if batch and (len(batch) + 1) * len(batch[0].ids) > TOKENS:
            _add(model, batch, total)
            batch = []
        batch.append(row)
    if batch:
        _add(model, batch, total)


def _add(model: Any, batch: Sequence[_Row], total: _Sum) -> None:
    import torch

    try:
        nll = _batch(model, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        nll = None
    if nll is None:  # outside of the handler, which holds on to what the pass had allocated
        torch.cuda.empty_cache()
        half = len(batch) // 2
        _add(model, batch[:half], total)
        _add(model, batch[half:], total)
        return
    total.nll += nll
    for row in batch:
        total.tokens += row.predicted
        total.texts += 1
        total.cut += row.cut
        total.bytes += len(row.covered.encode("utf-8", "replace"))
        total.characters += len(row.covered)


def _batch(model: Any, batch: Sequence[_Row]) -> float:
    """Return the sum of negative log-likelihoods of rows, padded on the right to (rows, longest)."""
    import torch

    longest = max(len(row.ids) for row in batch)
    inputs = model.get_input_embeddings().weight.device
    ids = torch.tensor([row.ids + [0] * (longest - len(row.ids)) for row in batch], device=inputs)
    mask = torch.tensor([[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in batch], device=inputs)
    labels = torch.tensor([row.labels[1:] + [IGNORED] * (longest - len(row.labels) + 1) for row in batch])
    head = _Head(model, labels)
    with head.listening():
        # one row's cache would be kept for nothing
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    if head.agrees(logits):
        return head.nll
    if logits.shape[:2] != labels.shape:  # what comes behind the last layer is not known: once more, without the hook
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return sum(
        _nll(logits[row, at : at + head.step], labels[row, at : at + head.step])
        for row in range(len(batch))
        for at in range(0, longest, head.step)
    )


def _nll(logits: Any, labels: Any) -> float:
    """Return the sum of negative log-likelihoods: logits (…, vocabulary), labels (…); -100 does not count."""
    import torch

    flat = labels.reshape(-1).to(logits.device)
    found = torch.nn.functional.cross_entropy(
        logits.reshape(flat.shape[0], -1).float(), flat, ignore_index=IGNORED, reduction="none"
    )
    return float(found.double().sum()) if found.device.type != "mps" else float(found.cpu().double().sum())


class _Head:
    """The last layer, computed for some tokens at a time while the model's own forward pass is under way.

    A hook takes the hidden states (rows, tokens, width) that come in, sums the losses, and lets through one token.
    Inside of the pass it also works where weights are gathered for the pass alone (sharding).
    """

    def __init__(self, model: Any, labels: Any) -> None:
        self.nll = 0.0
        self._labels = labels
        self._layer = model.get_output_embeddings()
        self._config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
        self._own: Any = None
        width = int(getattr(self._config, "vocab_size", None) or labels.numel())
        self.step = max(16, LOGITS // (4 * width))

    @contextmanager
    def listening(self) -> Iterator[None]:
        hook = None if self._layer is None else self._layer.register_forward_pre_hook(self._hook)
        try:
            yield
        finally:
            if hook is not None:
                hook.remove()

    def _hook(self, layer: Any, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not given or given[0].shape[:2] != self._labels.shape:
            return None
        hidden, labels = given[0].flatten(0, 1), self._labels.flatten()
        kept = (labels != IGNORED).nonzero().flatten().to(hidden.device)
        for at in range(0, len(kept), self.step):
            some = kept[at : at + self.step]
            logits = self._finish(layer.forward(hidden[some]))
            self.nll += _nll(logits, labels.to(some.device)[some])
        self._own = self._finish(layer.forward(given[0][:, :1]))
        return (given[0][:, :1], *given[1:])

    def _finish(self, logits: Any) -> Any:
        """Do what a model does behind its last layer: Gemma's cap, Cohere's factor, Granite's divisor."""
        cap = getattr(self._config, "final_logit_softcapping", None)
        factor = getattr(self._config, "logit_scale", None)
        divisor = getattr(self._config, "logits_scaling", None)
        logits = logits * factor if factor else logits
        logits = logits / divisor if divisor else logits
        return (logits / cap).tanh() * cap if cap else logits

    def agrees(self, logits: Any) -> bool:
        """Return whether the model's own logits are those that the losses were summed from."""
        import torch

        if self._own is None or self._own.shape != logits.shape:
            return False
        own, theirs = self._own.float(), logits.to(self._own.device).float()
        return bool(torch.allclose(own, theirs, rtol=1e-2, atol=1e-2, equal_nan=True))
