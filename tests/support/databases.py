"""Ready-made databases that every test may copy; all with tables of format 5, which Debian's `ldb` can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workload import shapes
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from pathlib import Path

    from workload.report import PrefixReport

FORMAT = 5
SEED = 20251122


@dataclass(frozen=True)
class Template:
    """A database and the last step that was acknowledged to its writer, None if no writer made it."""

    folder: Path
    step: int | None


def build_templates(folder: Path) -> dict[str, Template]:
    """killed: of a writer that was killed (tables, blob files, WALs). other: another database of the same kind.

    blobs: 8 MB in blob files of 1 MB. tables: 24 MB in table files of 4 MB. small: 1 MB in tables.
    """
    result = {}
    for name, seed in (("killed", SEED), ("other", SEED + 1)):
        with running_writer(folder / name, seed=seed, format_version=FORMAT) as writer:
            writer.advance(3000)
            result[name] = Template(folder / name, writer.kill())
    shapes.blobs(folder / "blobs", 8 << 20, 1 << 20, value_size=64 << 10, format_version=FORMAT)
    shapes.tables(folder / "tables", 24 << 20, file_size=4 << 20, format_version=FORMAT)
    shapes.tables(folder / "small", 1 << 20, file_size=512 << 10, format_version=FORMAT)
    for name in ("blobs", "tables", "small"):
        result[name] = Template(folder / name, None)
    return result


def check_killed(database: Path, template: Template) -> PrefixReport:
    """Assert that `database` is what the killed writer of `template` must have left; opens it."""
    assert template.step is not None
    seed = SEED if template.folder.name == "killed" else SEED + 1
    return check_in_subprocess(database, seed, lower=template.step, upper=template.step + 1)
