"""Completions for bash, zsh and fish, generated from the command line's own tree.

They are plain shell: a TAB starts no Python. ``completions/`` holds what this prints, and a test compares them.
Table names are read from the database folder; where an option takes a file, files are completed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import typer

_FILES = {"--report", "--prune", "--db", "--model", "--rerank", "--local-dir", "--cache-dir", "--output", "--to"}
_PATHS = ("load", "index", "run")  # commands whose arguments are files
_HEADER = "# Completion of ragcli; made by 'ragcli completion {shell}'.\n"


class Shell(str, Enum):
    """A shell that can complete."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@dataclass(frozen=True, slots=True)
class _Option:
    names: tuple[str, ...]
    help: str
    takes: str  # "", "files", "tables", "any" or the choices, separated by spaces
    many: bool


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell.")],
) -> int:
    """Print the completion script of a shell.

    \b
    source <(ragcli completion bash)
    """
    typer.echo(script(shell), nl=False)
    return 0


def script(shell: Shell) -> str:
    """Return the completion script of a shell."""
    from ragcli.cli.app import app_of

    root: Any = typer.main.get_command(app_of())
    tree = {
        name: (_first_sentence(sub.help or ""), [_option(one) for one in sub.params if one.opts[0].startswith("-")])
        for name, sub in _leaves(root)
    }
    groups = {name: _first_sentence(sub.help or "") for name, sub in root.commands.items() if hasattr(sub, "commands")}
    makers = {Shell.bash: _bash, Shell.zsh: _zsh, Shell.fish: _fish}
    first = "#compdef ragcli\n" if shell is Shell.zsh else ""  # zsh reads it on the first line only
    return first + _HEADER.format(shell=shell.value) + makers[shell](tree, groups)


_Tree = dict[str, tuple[str, list[_Option]]]  # the name of an action has that of its group before it
_Groups = dict[str, str]


def _leaves(root: Any) -> Iterator[tuple[str, Any]]:
    for name, sub in root.commands.items():
        if hasattr(sub, "commands"):
            yield from ((f"{name} {action}", one) for action, one in sub.commands.items())
        elif not sub.hidden:
            yield name, sub


def _top(tree: _Tree, groups: _Groups) -> dict[str, str]:
    """Return what can stand first, with its help."""
    return {name: text for name, (text, _) in tree.items() if " " not in name} | groups


def _actions(tree: _Tree, group: str) -> dict[str, str]:
    return {name.removeprefix(f"{group} "): text for name, (text, _) in tree.items() if name.startswith(f"{group} ")}


def _first_sentence(text: str) -> str:
    return text.strip().split("\n")[0].rstrip(".").split("; ")[0]


def _option(parameter: Any) -> _Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    if getattr(parameter, "is_flag", False):
        takes = ""
    elif choices := getattr(parameter.type, "choices", ()):
        takes = " ".join(choices)
    elif "--table" in names:
        takes = "tables"
    elif _FILES & set(names):
        takes = "files"
    else:
        takes = "any"
    return _Option(names, _first_sentence(parameter.help or ""), takes, bool(parameter.multiple))


def _bash(tree: _Tree, groups: _Groups) -> str:
    cases = []
    for name, (_, options) in tree.items():
        values = []
        for option in options:
            takers = "|".join(one for one in option.names)
            if option.takes in ("", "any"):
                if option.takes == "any":
                    values.append(f"        {takers}) return ;;")
            elif option.takes == "files":
                values.append(f'        {takers}) COMPREPLY=($(compgen -f -- "$cur")); return ;;')
            elif option.takes == "tables":
                values.append(f'        {takers}) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")); return ;;')
            else:
                values.append(f'        {takers}) COMPREPLY=($(compgen -W "{option.takes}" -- "$cur")); return ;;')
        flags = " ".join(one for option in options for one in option.names) + " --help"
        cases.append(
            f"    '{name}')\n      case $prev in\n" + "\n".join(values) + f"\n      esac\n      words='{flags}' ;;"
        )
    names = " ".join(_top(tree, groups))
    nested = "".join(
        f"""
    {group})
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W '{" ".join(_actions(tree, group))} --help' -- "$cur"))
        return
      fi
      command="{group} ${{COMP_WORDS[2]}}" ;;"""
        for group in groups
    )
    return (
        """_ragcli_tables() {
  local i db=${RAGCLI_DB:-.ragcli}
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    case ${COMP_WORDS[i]} in -d|--db) db=${COMP_WORDS[i+1]} ;; esac
  done
  local table
  for table in "$db"/*.lance; do [ -e "$table" ] && table=${table##*/} && echo "${table%.lance}"; done
}

_ragcli() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '"""
        + names
        + """ --help --version' -- "$cur"))
    return
  fi
  local command=${COMP_WORDS[1]}
  case $command in"""
        + nested
        + """
  esac
  case $command in
"""
        + "\n".join(cases)
        + """
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *)
      case $command in
        load|index|run)
          compopt -o filenames 2>/dev/null
          COMPREPLY=($(compgen -f -- "$cur")) ;;
        'table '*) COMPREPLY=($(compgen -W "$(_ragcli_tables)" -- "$cur")) ;;
      esac ;;
  esac
}

complete -F _ragcli ragcli
"""
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh(tree: _Tree, groups: _Groups) -> str:
    commands = "\n".join(f"    {_quoted(f'{name}:{text}')}" for name, text in _top(tree, groups).items())
    nested = []
    for group in groups:
        described = "\n".join(f"        {_quoted(f'{one}:{text}')}" for one, text in _actions(tree, group).items())
        nested.append(
            f"""    {group})
      local -a actions
      actions=(
{described}
      )
      if (( CURRENT == 2 )); then
        _describe action actions
        return
      fi
      command="{group} $words[2]"
      shift words
      (( CURRENT-- )) ;;"""
        )
    cases = []
    for name, (_, options) in tree.items():
        specs = []
        for option in options:
            action = {"": "", "any": ":value:", "files": ":file:_files", "tables": ":table:_ragcli_tables"}.get(
                option.takes, f":value:({option.takes})"
            )
            text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")
            for one in option.names:
                star = "'*'" if option.many else "''"
                specs.append(f"{star}{one}{_quoted(f'[{text}]{action}')}")
        rest = _quoted("*:path:_files") if name in _PATHS else _quoted("*:text:")
        if name.startswith("table "):
            rest = _quoted("1:table:_ragcli_tables")
        body = " \\\n        ".join([*specs, "--help'[Show the help]'", rest])
        cases.append(f"    '{name}')\n      _arguments \\\n        {body} ;;")
    return (
        """_ragcli_tables() {
  local db=${RAGCLI_DB:-.ragcli} i
  for ((i = 1; i < $#words; i++)); do
    case $words[i] in -d|--db) db=$words[i+1] ;; esac
  done
  local -a tables
  tables=(${db}/*.lance(N:t:r))
  compadd -a tables
}

_ragcli() {
  local -a commands
  commands=(
"""
        + commands
        + """
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    _arguments --help'[Show the help]' --version'[Show the version]'
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
"""
        + "\n".join(nested)
        + """
  esac
  case $command in
"""
        + "\n".join(cases)
        + """
  esac
}

if [ "$funcstack[1]" = _ragcli ]; then
  _ragcli "$@"
else
  compdef _ragcli ragcli
fi
"""
    )


def _fish(tree: _Tree, groups: _Groups) -> str:
    lines = [
        """function __ragcli_tables
  set -l db .ragcli
  set -q RAGCLI_DB; and set db $RAGCLI_DB
  set -l words (commandline -opc)
  for i in (seq (count $words))
    if contains -- $words[$i] -d --db
      set db $words[(math $i + 1)]
    end
  end
  for table in $db/*.lance
    string replace -r '.*/' '' -- $table | string replace -r '\\.lance$' ''
  end
end
""",
        "complete -c ragcli -f",
    ]
    for name, text in _top(tree, groups).items():
        lines.append(f"complete -c ragcli -n __fish_use_subcommand -a {name} -d {_fish_quoted(text)}")
    lines.append("complete -c ragcli -n __fish_use_subcommand -l version -d 'Show the version'")
    lines.append("complete -c ragcli -l help -s h -d 'Show the help'")
    for group in groups:
        actions = _actions(tree, group)
        inside = f"__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from {' '.join(actions)}"
        for action, text in actions.items():
            lines.append(f"complete -c ragcli -n '{inside}' -a {action} -d {_fish_quoted(text)}")
    for name, (_, options) in tree.items():
        where = "-n '" + "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split()) + "'"
        if name.startswith("table "):
            lines.append(f"complete -c ragcli {where} -a '(__ragcli_tables)'")
        if name in _PATHS:
            lines.append(f"complete -c ragcli {where} -F")
        for option in options:
            names = " ".join(f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in option.names)
            takes = {"": "", "any": " -x", "files": " -r -F", "tables": " -x -a '(__ragcli_tables)'"}.get(
                option.takes, f" -x -a '{option.takes}'"
            )
            lines.append(f"complete -c ragcli {where} {names}{takes} -d {_fish_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
