"""Builds the libFuzzer targets of native/fuzz with ASan and UBSan, and runs them within bounds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NATIVE = Path(__file__).parents[2] / "native"
CORPUS = NATIVE / "fuzz" / "corpus"
REGRESSIONS = NATIVE / "fuzz" / "regressions"
# Whatever an input says: a gigabyte of memory and 20 seconds (under two sanitizers, on a busy machine) end the run.
BOUNDS = ("-rss_limit_mb=1024", "-malloc_limit_mb=512", "-timeout=20")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COVERED = ("-fsanitize=address", "-fprofile-instr-generate", "-fcoverage-mapping")
_FLAGS = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")


@dataclass(frozen=True)
class Target:
    """`longest`: bytes of an input; of logs more than two blocks, of tables more than the tail that is read at once."""

    name: str
    longest: int
    parsers: tuple[str, ...]


TARGETS = {
    target.name: target
    for target in (
        Target("log_reader", 70_000, ("log_reader.c", "io.c")),
        Target(
            "manifest", 70_000, ("manifest.c", "manifest_state.c", "manifest_undo.c", "manifest_list.c", "file_map.c")
        ),
        Target("edit", 4096, ("version_edit.c", "cursor.c")),
        Target("wal", 70_000, ("wal.c",)),
        Target("table", 20_000, ("table.c",)),
        Target("crc32c", 4096, ("crc32c.c",)),
    )
}


def can_build() -> bool:
    """Whether clang is here, and its runtime for fuzzers."""
    clang = shutil.which("clang")
    if clang is None:
        return False
    asked = subprocess.run([clang, "-print-resource-dir"], capture_output=True, text=True, check=True)
    return any(Path(asked.stdout.strip()).rglob("libclang_rt.fuzzer*"))


def build(folder: Path, instrumented: Iterable[str] = SANITIZED) -> dict[str, Path]:
    """All targets, by name."""
    flags = [*_FLAGS, *instrumented]
    sources = [path for path in sorted(NATIVE.glob("*.c")) if not path.name.startswith("module")]
    compilers = [
        subprocess.Popen(
            [
                "clang",
                *flags,
                "-fsanitize=fuzzer-no-link",
                "-c",
                str(path),
                "-o",
                str(folder / f"{path.stem}_{where}.o"),
            ]
        )
        for where, path in [("native", path) for path in sources] + [("fuzz", NATIVE / "fuzz" / "fuzz.c")]
    ]
    assert all(compiler.wait() == 0 for compiler in compilers)
    objects = [str(path) for path in sorted(folder.glob("*.o"))]
    programs = {name: folder / f"fuzz-{name}" for name in TARGETS}
    linkers = [
        subprocess.Popen(
            ["clang", *flags, "-fsanitize=fuzzer", str(NATIVE / "fuzz" / f"{name}.c"), *objects, "-o", str(program)]
        )
        for name, program in programs.items()
    ]
    assert all(linker.wait() == 0 for linker in linkers)
    return programs


def unpack(target: Target, folder: Path) -> Path:
    """The kept corpus and the inputs of former failures."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / f"{target.name}.zip"
    if kept.exists():
        with zipfile.ZipFile(kept) as archive:
            archive.extractall(folder)
    for path in sorted((REGRESSIONS / target.name).glob("*")):
        shutil.copyfile(path, folder / f"regression-{path.name}")
    return folder


def keep(target: Target, folder: Path) -> None:
    """Make `folder` the kept corpus: one archive a target, the same bytes for the same inputs."""
    CORPUS.mkdir(exist_ok=True)
    with zipfile.ZipFile(CORPUS / f"{target.name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(path.name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def run(program: Path, target: Target, folders: Iterable[Path], *options: str, work: Path) -> str:
    """One run of the driver in the folder `work`, where an input that fails is left; returns what it printed."""
    bounds = (*BOUNDS, f"-max_len={target.longest}", "-print_final_stats=1")
    command: list[str | Path] = [program, *bounds, *options, *folders]
    environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "detect_leaks=1"}
    work.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        command,
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert ended.returncode == 0, (
        f"{target.name}: keep the input as native/fuzz/regressions/...\n{ended.stdout[-6000:]}"
    )
    return ended.stdout


def executed(output: str) -> int:
    """How many inputs a run tried."""
    found = re.search(r"stat::number_of_executed_units: (\d+)", output)
    assert found is not None, output[-2000:]
    return int(found[1])
