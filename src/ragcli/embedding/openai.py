"""Embedding at an endpoint that speaks OpenAI's protocol (``openai:NAME``): in batches, with retries.

OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom. Plain httpx: the protocol is one request.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ragcli.embedding.protocols import Kind, OnTruncated
from ragcli.endpoint import NO_KEY, read_address
from ragcli.errors import ServiceError
from ragcli.jsonl import clean
from ragcli.records import Json

_BATCH = 64
_TRIES = 6
_FIRST_WAIT = 0.5  # seconds; doubled at each try
_LONGEST_WAIT = 30.0
_TIMEOUT = 60.0
_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}


class OpenAIEmbedder:
    """A model behind an endpoint.

    Args:
        name: the model's name there.
        contract: what the table says, if there is one; else one text is embedded to learn the dimension.

    Raises:
        UsageError: the address or the key cannot be one.
        ModelError: no key is given and the endpoint is OpenAI's own.
    """

    def __init__(self, name: str, contract: Json | None = None) -> None:
        self._name = name
        self._address = read_address(name)
        self._url = self._address.shown
        self._dimension = int(contract["dimension"]) if contract else 0
        self._client: Any = None

    @property
    def contract(self) -> Json:
        """What a table keeps of the model: an endpoint tells its name and dimension, nothing else."""
        if not self._dimension:
            self._dimension = self._request(["dimension"]).shape[1]
        return {
            "id": f"openai:{self._name}",
            "hash": "",
            "dimension": self._dimension,
            "pooling": "",
            "prefixes": {"query": "", "passage": ""},
            "max_tokens": 0,
            "normalize": True,
        }

    def encode(
        self, texts: Sequence[str], kind: Kind, *, on_truncated: OnTruncated | None = None
    ) -> np.ndarray[Any, Any]:
        """Return vectors (len(texts), dimension); see `ragcli.embedding.Embedder`."""
        parts = [
            self._request([clean(text) or " " for text in texts[at : at + _BATCH]])
            for at in range(0, len(texts), _BATCH)
        ]
        if not parts:
            return np.zeros((0, int(self.contract["dimension"])), np.float32)
        out = np.concatenate(parts)
        if self._dimension and out.shape[1] != self._dimension:
            raise ServiceError(
                f"{self._url}: {self._name} gave vectors of {out.shape[1]} dimensions; {self._dimension} are expected."
            )
        return out

    def _request(self, texts: list[str]) -> np.ndarray[Any, Any]:
        answer = self._post({"model": self._name, "input": texts, "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda one: one["index"])
            if [one["index"] for one in rows] != list(range(len(texts))):
                raise ValueError(f"{len(rows)} vectors for {len(texts)} texts")
            out = np.asarray([one["embedding"] for one in rows], dtype=np.float32)
            if out.ndim != 2 or not np.isfinite(out).all():
                raise ValueError("the vectors hold what is no number")
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(f"{self._url}/embeddings: the answer is not as the protocol has it: {error}.") from error
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        return out / np.maximum(norms, 1e-12)  # type: ignore[no-any-return]

    def _post(self, body: Json) -> Any:
        import httpx

        if self._client is None:
            key = self._address.key
            headers = {"Authorization": f"Bearer {key}"} if key != NO_KEY else {}
            self._client = httpx.Client(timeout=_TIMEOUT, headers=headers)
        url = f"{self._url}/embeddings"  # as messages show it
        reason = ""
        for attempt in range(_TRIES):
            wait = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT) * (0.75 + random.random() / 2)
            try:
                answer = self._client.post(f"{self._address.url}/embeddings", json=body)
            except httpx.HTTPError as error:
                reason = self._address.clean(f"{type(error).__name__}: {error}")
            else:
                if answer.status_code == 200:
                    try:
                        return answer.json()
                    except ValueError as error:
                        raise ServiceError(f"{url}: the answer is no JSON: {answer.text[:200]!r}.") from error
                reason = f"status {answer.status_code}: {self._address.clean(_words(answer))}"
                if answer.status_code not in _AGAIN:
                    raise ServiceError(
                        f"{url}: {reason}.", hint="Check OPENAI_BASE_URL, OPENAI_API_KEY and the model's name."
                    )
                after = answer.headers.get("retry-after", "")
                if after.replace(".", "", 1).isdigit():
                    wait = min(float(after), _LONGEST_WAIT)
            if attempt + 1 < _TRIES:
                time.sleep(wait)
        raise ServiceError(
            f"{url}: no answer after {_TRIES} tries ({reason}).", hint="What is embedded so far is kept; run it again."
        )


def _words(answer: Any) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.text[:200])
