"""``python -m ragcli``: the command where its script is not on the path."""

from ragcli.cli import main

main()
