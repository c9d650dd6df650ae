"""Manual pages, one for each command, from what its `--help` is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.app import cli
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pages", "write_pages"]

_PROGRAM = "walrus-fast"
_ENDING = """.SH EXIT STATUS
0 for success, 2 for wrong usage, 130 when stopped; each error has one of its own, listed in docs/errors.md.
"""


def write_pages(folder: Path) -> None:
    """Write `man1/*.1` below a folder, such as `share/man`; the first page under the program's other name, too."""
    section = folder / "man1"
    section.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (section / f"{name}.1").write_text(text, encoding="utf-8")
    (section / "walrus-node.1").write_text((section / f"{_PROGRAM}.1").read_text(encoding="utf-8"), encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """(name, roff) of every page."""
    yield from _pages(cli, click.Context(cli, info_name=_PROGRAM), ())


def _pages(command: click.Command, context: click.Context, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    names = (*above, str(context.info_name))
    below: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        below = [(name, inner) for name, inner in found if inner is not None]
    yield "-".join(names), _page(command, context, names, below)
    for name, inner in below:
        yield from _pages(inner, click.Context(inner, info_name=name, parent=context), names)


def _page(
    command: click.Command, context: click.Context, names: tuple[str, ...], below: list[tuple[str, click.Command]]
) -> str:
    page, title = "-".join(names), " ".join(names)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f'.TH {_plain(page.upper())} 1 "" "walrus-fast {VERSION}" "walrus-fast"\n',
        f".SH NAME\n{_plain(page)} \\- {_plain(_first_sentence(command))}\n",
        f".SH SYNOPSIS\n.B {_plain(title)}\n{_plain(usage)}\n",
        f".SH DESCRIPTION\n{_paragraphs(command.help or '')}",
    ]
    options = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if options:
        parts.append(".SH OPTIONS\n" + "".join(_item(name, text) for name, text in options))
    if below:
        items = [_item(f"{name}", f"{_first_sentence(inner)} See {page}-{name}(1).") for name, inner in below]
        parts.append(".SH COMMANDS\n" + "".join(items))
    if page == _PROGRAM:
        parts.append(_ENDING)
    else:
        parts.append(f".SH SEE ALSO\n.BR {_plain('-'.join(names[:-1]))} (1)\n")
    return "".join(parts)


def _first_sentence(command: click.Command) -> str:
    text = " ".join((command.help or "").split())
    return text.partition(". ")[0].removesuffix(".") + "."


def _item(name: str, text: str) -> str:
    return f".TP\n.B {_plain(name)}\n{_plain(text)}\n"


def _paragraphs(text: str) -> str:
    return ".PP\n".join(f"{_plain(' '.join(paragraph.split()))}\n" for paragraph in text.split("\n\n"))


def _plain(text: str) -> str:
    """Text in which roff finds nothing of its own."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq").replace("~", "\\(ti")
    )
    return f"\\&{text}" if text.startswith(".") else text
