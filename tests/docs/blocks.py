"""The fenced blocks of the project's documents, and the commands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_RUN = re.compile(r"# Not run by the tests: (.+)")
COMMAND_LANGUAGES = ("sh", "console")
# What is in other blocks is shown, not typed.
OTHER_LANGUAGES = ("yaml", "json", "hex", "text", "python", "ini", "c")
FOLDERS = ("bench", "demo", "deploy", "docs", "native", "src", "tests", "workload")

_FENCE = re.compile(r"^( *)(```+|~~~+) *([\w-]*)(.*)$")
_LOOKS_TYPED = re.compile(r"^\s*(\$ |sudo |walrus-(node|fast) |make |pip |systemctl |docker |ldb )", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """Something to type, and what then appears; None where the document does not say."""

    text: str
    output: tuple[str, ...] | None


@dataclass(frozen=True)
class Block:
    """A fenced block. `document` is relative to the project, `line` is that of the fence."""

    document: str
    line: int
    language: str
    text: str

    @property
    def reason_not_to_run(self) -> str | None:
        """What the document's first line in the block says of it, for everybody to see."""
        match = NOT_RUN.match(self.text)
        return match[1] if match else None

    @property
    def commands(self) -> list[Command]:
        """What is typed. In `sh` all of it, in `console` the lines behind `$ `, with what appears."""
        if self.language == "sh":
            return [Command(self.text, None)]
        found: list[tuple[list[str], list[str]]] = []
        goes_on = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif goes_on:
                found[-1][0].append(line.removeprefix("> "))
            else:
                assert found, f"{self.document}:{self.line}: output before the first command"
                found[-1][1].append(line)
            goes_on = (line.startswith("$ ") or goes_on) and line.endswith("\\")
        return [Command("\n".join(typed), tuple(shown)) for typed, shown in found]

    @property
    def is_suspicious(self) -> bool:
        """Whether something to type hides in a block that is not run."""
        return self.language not in COMMAND_LANGUAGES and bool(_LOOKS_TYPED.search(self.text))


def documents(*folders: str) -> list[str]:
    """Every Markdown file of the project, or only of some folders of it. Without git's help: an sdist has none."""
    found = [path for folder in folders or FOLDERS for path in (ROOT / folder).rglob("*.md")]
    at_the_top = [] if folders else list(ROOT.glob("*.md"))
    return sorted(str(path.relative_to(ROOT)) for path in [*found, *at_the_top])


def blocks_of(document: str) -> list[Block]:
    """The fenced blocks of a document, in order. A fence may be indented, as in lists."""
    found: list[Block] = []
    opened: tuple[str, str, str, int] | None = None
    inside: list[str] = []
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line)
        if opened is None:
            if match:
                opened, inside = (match[1], match[2], match[3], number), []
        elif match and match[2].startswith(opened[1]) and not match[3]:
            found.append(Block(document, opened[3], opened[2], "\n".join(inside)))
            opened = None
        else:
            inside.append(line.removeprefix(opened[0]))
    assert opened is None, f"{document}:{opened[3]}: the block does not end"
    return found
