"""`make fuzz`: the long form. `python -m tests.fuzz [--runs N] [--only TARGET] [--keep] [--coverage]`

Seeds from fresh databases and the kept corpus; `--keep` makes what was found, minimised, the kept corpus.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.fuzz.seeds import make_databases, write_seeds
from tests.fuzz.targets import COVERED, NATIVE, TARGETS, build, executed, keep, run, unpack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--only", choices=sorted(TARGETS))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    asked = parser.parse_args()
    seed = int(os.environ.get("WALRUS_FAST_SEED") or int.from_bytes(os.urandom(3), "big"))
    print(f"WALRUS_FAST_SEED={seed}")
    with tempfile.TemporaryDirectory(prefix="walrus-fuzz-") as name:
        work = Path(name)
        write_seeds(make_databases(work / "databases", seed), work / "seeds")
        programs = build(_folder(work / "sanitized"))
        for target in TARGETS.values():
            if asked.only in (None, target.name):
                _fuzz(programs[target.name], work, target.name, runs=asked.runs, seed=seed, is_kept=asked.keep)
        if asked.coverage:
            _report_coverage(work)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _fuzz(program: Path, work: Path, name: str, *, runs: int, seed: int, is_kept: bool) -> None:
    target = TARGETS[name]
    found = unpack(target, work / "found" / name)
    seeds = work / "seeds" / name
    try:
        output = run(program, target, [found, seeds], f"-runs={runs}", f"-seed={seed + 1}", work=work / "failed" / name)
    except AssertionError:
        shutil.copytree(work / "failed" / name, NATIVE / "fuzz" / "regressions" / name, dirs_exist_ok=True)
        raise
    last = [line for line in output.splitlines() if " cov: " in line][-1:]
    print(f"{name}: {executed(output)} inputs; {last[0].strip() if last else ''}", flush=True)
    merged = _folder(work / "merged" / name)
    run(program, target, [merged, found, seeds], "-merge=1", work=work / "failed" / name)
    if is_kept:
        keep(target, merged)


def _report_coverage(work: Path) -> None:
    programs = build(_folder(work / "covered"), COVERED)
    for target in TARGETS.values():
        merged = work / "merged" / target.name
        inputs = merged if merged.exists() else unpack(target, work / "kept" / target.name)
        profile = work / f"{target.name}.profile"
        environment = {**os.environ, "LLVM_PROFILE_FILE": str(work / f"{target.name}.raw")}
        program = programs[target.name]
        subprocess.run([program, "-runs=0", inputs], env=environment, check=True, capture_output=True)
        subprocess.run(["llvm-profdata", "merge", work / f"{target.name}.raw", "-o", profile], check=True)
        sources = [NATIVE / parser for parser in target.parsers]
        subprocess.run(["llvm-cov", "report", program, f"-instr-profile={profile}", *sources], check=True)


if __name__ == "__main__":
    main()
