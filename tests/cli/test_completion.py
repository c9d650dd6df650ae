"""The completion scripts, in the shells that they are for."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.command import PROGRAM, run

if TYPE_CHECKING:
    from pathlib import Path

# What bash does when somebody types these words and presses the tabulator.
PRESS_TAB = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
specification=$(complete -p "$1") || exit 3
function=$(sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p' <<<"$specification")
compopt() { :; }
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def press_tab(script: Path, *words: str) -> list[str]:
    """The completions that bash gets for the last of these words."""
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB, "bash", str(script), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.split()


@pytest.mark.parametrize("name", ["walrus-fast", "walrus-node"])
def test_bash_completes_commands_options_and_values(tmp_path: Path, name: str) -> None:
    script = tmp_path / "completion.bash"
    outcome = run("completion", "bash")
    assert (outcome.status, outcome.stderr) == (0, "")
    script.write_text(outcome.stdout)
    assert set(press_tab(script, name, "")) >= {"run", "checkpoint", "restore", "doctor", "check"}
    assert press_tab(script, name, "checkp") == ["checkpoint"]
    assert set(press_tab(script, name, "checkpoint", "")) >= {"create", "list", "verify", "drill"}
    assert "--db-path" in press_tab(script, name, "checkpoint", "create", "--db")
    assert press_tab(script, name, "checkpoint", "verify", "--tier", "c") == ["checksums", "closure"]
    assert press_tab(script, name, "local-admin", "limits", "s") == ["set"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_for_both_names(tmp_path: Path, shell: str) -> None:
    outcome = run("completion", shell)
    assert outcome.status == 0
    for variable in ("_WALRUS_FAST_COMPLETE", "_WALRUS_NODE_COMPLETE"):
        assert f"{variable}={shell}_complete" in outcome.stdout
    if (program := shutil.which(shell)) is not None:
        script = tmp_path / "script"
        script.write_text(outcome.stdout)
        assert subprocess.run([program, "-n", script], check=False, timeout=60).returncode == 0


def test_a_shell_that_is_not_known() -> None:
    assert run("completion", "csh").status == 2
