"""`config show|check`: what a configuration file puts in force."""

from __future__ import annotations

import shlex
from enum import Enum
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.options import PATH, json_option
from walrus_fast.cli.output import print_json
from walrus_fast.config.load import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.config.load import LoadedConfig

__all__ = ["config"]

_config_option = click.option("--config-path", type=PATH, required=True, help="The node's configuration file.")


@click.group("config")
def config() -> None:
    """Check a configuration file, and show what it puts in force."""


@config.command("show")
@_config_option
@json_option
def show(config_path: Path, as_json: bool) -> None:
    """Print every value in force, and where it comes from."""
    loaded = load_config(config_path.absolute())
    if as_json:
        print_json(
            {
                "path": loaded.path,
                "settings": [
                    {"name": setting.name, "value": _text(setting.value), "source": setting.source}
                    for setting in loaded.settings
                ],
                "database": loaded.database,
                "warnings": loaded.warnings,
            }
        )
        return
    width = max(len(setting.name) for setting in loaded.settings)
    values = max(len(_text(setting.value)) for setting in loaded.settings)
    for setting in loaded.settings:
        click.echo(f"{setting.name:<{width}}  {_text(setting.value):<{values}}  {setting.source}")
    click.echo(f"{'the database is':<{width}}  {loaded.database}")
    _print_warnings(loaded)


@config.command("check")
@_config_option
@json_option
def check(config_path: Path, as_json: bool) -> None:
    """Say whether a node could use the file; exit status 15 when not."""
    loaded = load_config(config_path.absolute())
    if as_json:
        print_json({"path": loaded.path, "valid": True, "warnings": loaded.warnings})
        return
    _print_warnings(loaded)
    click.echo(f"{loaded.path} is valid.")


def _print_warnings(loaded: LoadedConfig) -> None:
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


def _text(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(shlex.join(item) if isinstance(item, tuple) else str(item) for item in value) or "none"
    return str(value)
