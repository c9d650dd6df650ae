"""`check`: one line and an exit status for monitoring, as Nagios plugins have them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from walrus_fast.cli.options import DURATION, PATH, json_option
from walrus_fast.cli.output import print_json
from walrus_fast.config.load import load_config
from walrus_fast.errors import ConfigInvalid, WalrusFastError
from walrus_fast.files import Files
from walrus_fast.operations.keeping.check import CheckReport, CheckRequest, Level, check_repository, unknown
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check"]


class _WrongUsage(click.UsageError):
    """Is no news about the backups: status 3, where other commands have 2."""

    exit_code = int(Level.UNKNOWN)


class _Plugin(click.Command):
    """A command whose wrong usage has the status that monitoring expects."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as exc:
            raise _WrongUsage(exc.format_message(), exc.ctx) from exc


@click.command("check", cls=_Plugin)
@click.option("--path", "repository", type=PATH, help="The repository's folder.")
@click.option("--config-path", type=PATH, help="Or a node's configuration file, for its db_checkpoint_dir.")
@click.option("--max-age", type=DURATION, help="Critical when the newest good backup is older, e.g. 6h.")
@click.option("--warn-age", type=DURATION, help="A warning when it is older.")
@click.option(
    "--min-tier",
    type=click.Choice([tier.value for tier in Tier]),
    help="Only backups that are proven up to this tier count for the ages; critical when there is none.",
)
@click.option("--min-count", type=click.IntRange(0), default=1, show_default=True, help="Good backups, at least.")
@click.option("--max-verify-age", type=DURATION, help="Critical when all were last verified (or sampled) longer ago.")
@click.option("--max-drill-age", type=DURATION, help="Critical when the last successful drill was longer ago.")
@json_option
def check(
    repository: Path | None,
    config_path: Path | None,
    max_age: float | None,
    warn_age: float | None,
    min_tier: str | None,
    min_count: int,
    max_verify_age: float | None,
    max_drill_age: float | None,
    as_json: bool,
) -> None:
    """Say in one line whether there are backups worth having. For monitoring.

    Exit status 0 is OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Looks at names, sizes and records of proofs; reads no
    table file, takes no lock, writes nothing.
    """
    try:
        folder = _repository(repository, config_path)
    except WalrusFastError as exc:
        _end(unknown(exc.message), as_json=as_json)
    request = CheckRequest(
        repository=folder,
        max_age=max_age,
        warn_age=warn_age,
        min_tier=None if min_tier is None else Tier(min_tier),
        min_count=min_count,
        max_verify_age=max_verify_age,
        max_drill_age=max_drill_age,
    )
    _end(check_repository(Files(), request, now=time.time()), as_json=as_json)


def _repository(repository: Path | None, config_path: Path | None) -> Path:
    if (repository is None) == (config_path is None):
        raise _WrongUsage("Give either --path or --config-path.", click.get_current_context())
    if repository is not None:
        return repository
    assert config_path is not None
    configured = load_config(config_path.absolute()).values.checkpoint_config.db_checkpoint_dir
    if configured is None:
        raise ConfigInvalid(f"{config_path} sets no checkpoint_config.db_checkpoint_dir")
    return configured


def _end(report: CheckReport, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json(_document(report))
    else:
        # What is wrong with a backup may quote its files; monitoring reads one line, and figures behind a bar.
        summary = " ".join(report.summary.replace("|", "/").split())
        click.echo(f"{report.level.name}: {summary} | {_figures(report)}")
    sys.exit(int(report.level))


def _document(report: CheckReport) -> dict[str, object]:
    return {
        "status": report.level.name,
        "exit_status": int(report.level),
        "summary": report.summary,
        "concerns": [{"status": concern.level.name, "text": concern.text} for concern in report.concerns],
        "newest": report.newest,
        "created": report.created,
        "age": report.age,
        "tier": report.tier,
        "good": report.good,
        "damaged": [{"backup_id": backup_id, "problem": problem} for backup_id, problem in report.damaged.items()],
        "last_verified": report.last_verified,
        "last_proven_restorable": report.last_proven_restorable,
    }


def _figures(report: CheckReport) -> str:
    """Performance data, as monitoring-plugins' guidelines write them: `label=value unit`."""
    age = [] if report.age is None else [f"age={report.age:.0f}s"]
    return " ".join([*age, f"good={report.good}", f"damaged={len(report.damaged)}"])
