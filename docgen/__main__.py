"""The command line: see the package."""

from __future__ import annotations

import sys
from pathlib import Path

from docgen.errors import errors_document
from docgen.man import write_pages


def main(what: str, target: str) -> None:
    """Write one kind of document."""
    if what == "errors":
        Path(target).write_text(errors_document(), encoding="utf-8")
    elif what == "man":
        write_pages(Path(target))
    else:
        sys.exit(f"{what} is neither errors nor man")


if __name__ == "__main__":
    main(*sys.argv[1:])
