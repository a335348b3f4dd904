"""Rows of conversations: messages, ShareGPT, Alpaca, prompt and completion, and two answers of which one is better."""

from __future__ import annotations

import re
from typing import Any

from ragcli.finetuning.data.cases import Contexts
from ragcli.finetuning.data.messages import Turn, check, conversation, finished, kind, no_media, text, tools
from ragcli.finetuning.data.rows import ChatRow, Place, PreferenceRow, Row, RowError
from ragcli.records import Json

PROMPTS = ("prompt", "question", "query", "input")
ANSWERS = ("completion", "response", "output", "target", "answer")
_INPUTS = ("input", "context")  # Alpaca's and Dolly's
_TURN = re.compile(r"\n\n(Human|Assistant):")  # Anthropic's HH-RLHF
_ROLE = {"Human": "user", "Assistant": "assistant"}


def messages(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return the conversation that stands under ``messages`` or ``conversations``."""
    del task, contexts
    no_media(row)
    key = next(key for key in ("messages", "conversations", "conversation") if row.get(key) is not None)
    return [_chat(row, conversation(row[key], system=_system(row), name=key), place)]


def alpaca(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return the conversation of an instruction, with its history before it.

    Instruction and input are joined by a line end, as LLaMA-Factory does.
    """
    del task, contexts
    no_media(row)
    turns = [*_opening(row), _user(_instruction(row))]
    return [_chat(row, [*turns, *_answer(row, len(turns))], place)]


def prompt_completion(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return the conversation of a prompt and its completion, each a text or messages."""
    del task, contexts
    no_media(row)
    if isinstance(row.get("label"), (bool, int)) and not row["label"]:
        raise RowError("its completion is labelled false (KTO): nobody should learn from it", "content")
    turns = _prompt(row, next(key for key in PROMPTS if row.get(key) is not None))
    return [_chat(row, [*turns, *_answer(row, len(turns))], place)]


def preference(row: Json, task: str, place: Place, contexts: Contexts) -> list[Row]:
    """Return a prompt with its better and its worse answer; for the task chat the prompt with the better one."""
    del contexts
    no_media(row)
    if row.get("rejected_response") is not None:
        row = _unfolded(row)
    for key in ("chosen", "rejected"):
        if not row.get(key):
            raise RowError(f"it has no '{key}', or an empty one", "empty")
    before = _before(row)
    chosen, rejected = (_said(row[key], before, key) for key in ("chosen", "rejected"))
    shared, better, worse = _split(chosen, rejected)
    if not any(turn.role == "user" for turn in shared):
        raise RowError("there is no prompt that chosen and rejected answer", "form")
    if task == "chat":
        return [_chat(row, [*shared, better], place)]
    check([*shared, better])
    if better.message["content"] == worse.message["content"]:
        raise RowError("chosen and rejected are the same", "same")
    return [
        PreferenceRow(
            messages=tuple(turn.message for turn in shared),
            chosen=better.message["content"],
            rejected=worse.message["content"],
            tools=tools(row.get("tools") or row.get("functions")),
            place=place,
        )
    ]


def _chat(row: Json, turns: list[Turn], place: Place) -> ChatRow:
    told, masked = finished(turns)
    return ChatRow(messages=told, tools=tools(row.get("tools") or row.get("functions")), masked=masked, place=place)


def _system(row: Json) -> str:
    return text(row.get("system"), "'system'")


def _user(content: str) -> Turn:
    if not content.strip():
        raise RowError("its prompt is empty", "empty")
    return Turn({"role": "user", "content": content})


def _opening(row: Json) -> list[Turn]:
    """Return the system's message and the history: ``[[question, answer], …]``."""
    turns = conversation([], system=_system(row))
    history = row.get("history") or []
    if not isinstance(history, list):
        raise RowError(f"'history' must be a list of pairs of texts, not {kind(history)}", "form")
    for pair in history:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise RowError("'history' must be a list of pairs of texts: [[question, answer], …]", "form")
        if not pair[1].strip():
            raise RowError("an answer in 'history' is empty", "empty")
        turns += [_user(text(pair[0], "")), Turn({"role": "assistant", "content": text(pair[1], "")})]
    return turns


def _instruction(row: Json) -> str:
    given = [row.get("instruction"), next((row[key] for key in _INPUTS if row.get(key)), None)]
    return "\n".join(filter(str.strip, (text(one, "the instruction") for one in given)))


def _prompt(row: Json, key: str) -> list[Turn]:
    value = row[key]
    if isinstance(value, list):
        return conversation(value, system=_system(row), name=key)
    return [*_opening(row), _user(text(value, f"'{key}'"))]


def _answer(row: Json, offset: int) -> list[Turn]:
    key = next(key for key in ANSWERS if row.get(key) is not None)
    value = row[key]
    if isinstance(value, list) and any(isinstance(one, dict) and ("role" in one or "from" in one) for one in value):
        return conversation(value, name=key, offset=offset)
    said = text(value, f"'{key}'")
    if not said.strip():
        raise RowError(f"'{key}' is empty: there is nothing to learn", "empty")
    return [Turn({"role": "assistant", "content": said}, number=offset + 1)]


def _unfolded(row: Json) -> Json:
    """Return a row of ms-swift, whose messages end with the better answer, with both answers apart."""
    told = row.get("messages")
    if not isinstance(told, list) or not told:
        raise RowError("'rejected_response' stands beside messages that end with the better answer", "form")
    return {**row, "messages": told[:-1], "chosen": told[-1], "rejected": row["rejected_response"]}


def _before(row: Json) -> list[Turn]:
    """Return what stands before the two answers, as far as it stands apart from them."""
    for key in ("conversations", "conversation"):
        if row.get(key) is not None:
            return conversation(row[key], system=_system(row), name=key)
    if row.get("instruction") is not None:
        return [*_opening(row), _user(_instruction(row))]
    for key in PROMPTS:
        if row.get(key) is not None:
            return _prompt(row, key)
    turns = conversation(row["messages"], system=_system(row)) if row.get("messages") is not None else []
    return turns or _opening(row)


def _said(value: Any, before: list[Turn], key: str) -> list[Turn]:
    """Return the whole conversation that one of the two answers ends."""
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list):
        turns = conversation(value, name=key)
        if any(turn.role == "user" for turn in turns):  # whole conversations, which hold the prompt
            return turns if turns[0].role == "system" or not _is_system(before) else [before[0], *turns]
        return [*before, *turns]
    if not isinstance(value, str):
        raise RowError(f"'{key}' must be a text or messages, not {kind(value)}", "content")
    if not value.strip():
        raise RowError(f"'{key}' is empty", "empty")
    if not any(turn.role == "user" for turn in before) and _TURN.match(value):
        return [*before, *_dialogue(value, key)]
    return [*before, Turn({"role": "assistant", "content": text(value, key)})]


def _is_system(turns: list[Turn]) -> bool:
    return bool(turns) and turns[0].role == "system"


def _dialogue(said: str, key: str) -> list[Turn]:
    """Return the turns of a text in which ``Human:`` and ``Assistant:`` begin paragraphs."""
    pieces = _TURN.split(said)[1:]
    items = [
        {"role": _ROLE[role], "content": content.strip()}
        for role, content in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    return conversation(items, name=key)


def _split(chosen: list[Turn], rejected: list[Turn]) -> tuple[list[Turn], Turn, Turn]:
    """Return what two conversations begin with, and the message of each that follows."""
    for name, turns in (("chosen", chosen), ("rejected", rejected)):
        if not turns or turns[-1].role != "assistant":
            raise RowError(f"the last message of '{name}' is not the assistant's", "turns")
        if turns[-1].message.get("tool_calls"):
            raise RowError(f"'{name}' ends with a call: only texts can be compared", "tools")
    shared = [one for one, other in zip(chosen, rejected, strict=False) if one.message == other.message]
    same = len(shared)
    if chosen == rejected:
        raise RowError("chosen and rejected are the same", "same")
    if len(chosen) != len(rejected) or same != len(chosen) - 1 or chosen[:same] != shared:
        raise RowError("chosen and rejected must differ in their last message, and nowhere else", "turns")
    return shared, chosen[-1], rejected[-1]
