"""The unit files by themselves, as systemd's own checks see them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.booted import UNITS

if TYPE_CHECKING:
    from pathlib import Path

# Tenths of what `systemd-analyze security` calls exposure (0 to 10). What is left of it: job processes lower their own
# priority (@resources), the admin socket is AF_UNIX, RocksDB reads /proc, and the root folder is the machine's.
_EXPOSURE = 5


@pytest.fixture(scope="module")
def tool() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd is not installed (tests/packages.sh names its package)")
    return found


def test_systemd_finds_no_fault_in_the_units(tool: str, tmp_path: Path) -> None:
    """In a root where the program and its manual are what they are after an installation."""
    program = tmp_path / "usr/local/bin/walrus-node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = []
    for path in UNITS.iterdir():
        if path.suffix in (".service", ".timer"):
            target = tmp_path / path.name
            target.write_text(path.read_text().replace("/usr/local/bin/walrus-node", str(program)))
            units.append(str(target))
    done = subprocess.run([tool, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False)
    assert len(units) == 3
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", ["walrus-node.service", "walrus-verify.service"])
def test_the_sandbox_is_as_tight_as_it_was(tool: str, unit: str) -> None:
    command = [tool, "security", "--offline=true", f"--threshold={_EXPOSURE}", "--no-pager", str(UNITS / unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_with_the_drop_in_for_metrics_it_reaches_this_machine_and_no_other(tool: str, tmp_path: Path) -> None:
    unit, drop_ins = tmp_path / "walrus-node.service", tmp_path / "walrus-node.service.d"
    drop_ins.mkdir()
    shutil.copy(UNITS / "metrics.conf", drop_ins)
    unit.write_text((UNITS / unit.name).read_text().replace("/usr/local/bin/walrus-node", "/bin/true"))
    verified = subprocess.run(
        [tool, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    command = [tool, "security", "--offline=true", f"--threshold={_EXPOSURE + 5}", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "IPAddressDeny=" in done.stdout
