"""The C parsers under ASan, UBSan and libFuzzer: no input crashes them, keeps them busy, or makes them take memory
that it does not have. The long form is `make fuzz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.seeds import make_databases, write_seeds
from tests.fuzz.targets import TARGETS, build, can_build, executed, run, unpack

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 20_000


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if not can_build():
        pytest.skip("clang or its fuzzer runtime is not installed (tests/packages.sh names the packages)")
    return build(tmp_path_factory.mktemp("targets"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(make_databases(folder / "databases", 1), folder / "inputs")
    return folder / "inputs"


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before_is_still_handled(programs: dict[str, Path], tmp_path: Path, name: str) -> None:
    """The whole kept corpus, every former failure among it."""
    target = TARGETS[name]
    inputs = unpack(target, tmp_path / "inputs")
    output = run(programs[name], target, [inputs], "-runs=0", work=tmp_path / "failed")
    assert executed(output) >= len(list(inputs.iterdir())) > 5


@pytest.mark.parametrize("name", TARGETS)
def test_fresh_inputs(programs: dict[str, Path], seeds: Path, tmp_path: Path, seed: int, name: str) -> None:
    target = TARGETS[name]
    inputs = unpack(target, tmp_path / "inputs")
    options = (f"-runs={RUNS}", f"-seed={seed % (1 << 31) + 1}", "-reload=0")
    output = run(programs[name], target, [inputs, seeds / name], *options, work=tmp_path / "failed")
    assert executed(output) >= RUNS
