"""`doctor`: what will go wrong, told before it does."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.options import PATH, json_option
from walrus_fast.cli.output import print_json
from walrus_fast.config.load import load_config
from walrus_fast.doctor.examine import examine
from walrus_fast.doctor.finding import Finding, Verdict, ok, warn
from walrus_fast.doctor.subject import Places
from walrus_fast.files import Files

if TYPE_CHECKING:
    from walrus_fast.config.load import LoadedConfig

__all__ = ["doctor"]

_STATUS = {Verdict.OK: 0, Verdict.WARN: 3, Verdict.FAIL: 4}


@click.command("doctor")
@click.option("--config-path", type=PATH, help="A node's configuration file; the options below override it.")
@click.option("--db-path", type=PATH, help="The database's folder; its owner may be running.")
@click.option("--path", "repository", type=PATH, help="The repository's folder, which may not be there yet.")
@click.option("--socket-path", type=PATH, help="The admin socket.")
@click.option("--wal-dir", type=PATH, help="Where the database's WALs are.")
@click.option("--data-dir", "data_dirs", type=PATH, multiple=True, help="Its db_paths, in order; repeatable.")
@click.option("--pin-dir", type=PATH, help="For pins, on the database's file system.")
@json_option
def doctor(
    config_path: Path | None,
    db_path: Path | None,
    repository: Path | None,
    socket_path: Path | None,
    wal_dir: Path | None,
    data_dirs: tuple[Path, ...],
    pin_dir: Path | None,
    as_json: bool,
) -> None:
    """Say what will go wrong, and what to do about it. Nothing is changed; run it as the node's user.

    Exit status 0: all is well. 3: there are warnings. 4: something will not work.
    """
    loaded = load_config(config_path.absolute()) if config_path else None
    given = {
        "database": db_path,
        "repository": repository,
        "socket": socket_path,
        "wal_dir": wal_dir,
        "data_dirs": data_dirs or None,
        "pin_dir": pin_dir,
    }
    known = {**_configured(loaded), **{name: value for name, value in given.items() if value is not None}}
    if not known:
        raise click.UsageError("Give --config-path, or --db-path and --path.")
    places = Places(**{name: _absolute(value) for name, value in known.items()})  # type: ignore[arg-type]
    findings = [*_of_config(loaded), *examine(Files(), places, now=time.time())]
    worst = max((finding.verdict for finding in findings), key=lambda verdict: _STATUS[verdict], default=Verdict.OK)
    if as_json:
        print_json({"verdict": worst, "exit_status": _STATUS[worst], "findings": findings})
    else:
        _print(findings)
    sys.exit(_STATUS[worst])


def _configured(loaded: LoadedConfig | None) -> dict[str, object]:
    if loaded is None:
        return {}
    ours = loaded.values.walrus_fast
    return {
        "database": loaded.database,
        "repository": loaded.values.checkpoint_config.db_checkpoint_dir,
        "socket": loaded.values.admin_socket_path,
        "wal_dir": ours.wal_dir,
        "data_dirs": ours.data_dirs,
        "pin_dir": ours.pin_dir,
    }


def _absolute(value: object) -> object:
    return value.absolute() if isinstance(value, Path) else value


def _of_config(loaded: LoadedConfig | None) -> list[Finding]:
    if loaded is None:
        return []
    found = [warn("config", text, "Correct the key, or leave it out.") for text in loaded.warnings]
    checkpoints = loaded.values.checkpoint_config
    if checkpoints.db_checkpoint_dir is None:
        found.append(warn("config", "db_checkpoint_dir is not set", "Without it there is no schedule."))
    elif not checkpoints.periodic_db_checkpoints:
        found.append(
            warn(
                "config",
                "periodic_db_checkpoints is false: nothing is scheduled",
                "Set it, or use a timer.",
            )
        )
    return found or [ok("config", f"{loaded.path} is valid")]


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.verdict:<4}  {finding.check:<{width}}  {finding.text}")
        if finding.advice:
            click.echo(f"{'':<4}  {'':<{width}}  -> {finding.advice}")
    counts = Counter(finding.verdict for finding in findings)
    warnings, failures = counts[Verdict.WARN], counts[Verdict.FAIL]
    click.echo(
        f"{counts[Verdict.OK]} ok, {warnings} warning{'' if warnings == 1 else 's'}, "
        f"{failures} failure{'' if failures == 1 else 's'}"
    )
