"""The configuration in force, and reading it again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.config.load import load_config
from walrus_fast.errors import WalrusFastError

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.config.load import LoadedConfig
    from walrus_fast.config.model import NodeConfig

__all__ = ["Reloader"]

_LOG = logging.getLogger(__name__)
_AT_START_ONLY = (
    "admin_socket_path",
    "walrus_fast.mode",
    "walrus_fast.metrics_address",
    "walrus_fast.metrics_allow_remote",
    "walrus_fast.log_format",
    "walrus_fast.log_level",
)


class Reloader:
    """Holds the newest valid configuration."""

    def __init__(self, loaded: LoadedConfig) -> None:
        self.loaded = loaded

    def config(self) -> NodeConfig:
        """The values in force."""
        return self.loaded.values

    @property
    def database(self) -> Path:
        """The folder of the main database."""
        return self.loaded.database

    async def reload(self) -> bool:
        """Read the file again, off the loop; what changed is logged. An invalid file changes nothing: False."""
        before = {setting.name: setting.value for setting in self.loaded.settings}
        try:
            fresh = await asyncio.to_thread(load_config, self.loaded.path)
        except WalrusFastError as exc:
            _LOG.error("the configuration stays as it was: %s", exc.message)
            return False
        changed = [setting for setting in fresh.settings if setting.value != before[setting.name]]
        for setting in changed:
            later = " (from the next start on)" if setting.name in _AT_START_ONLY else ""
            _LOG.info("%s is %s, was %s%s", setting.name, setting.value, before[setting.name], later)
        if not changed:
            _LOG.info("the configuration was read again; nothing has changed")
        ours = self.config().walrus_fast
        own = msgspec.structs.replace(
            fresh.values.walrus_fast,
            mode=ours.mode,
            metrics_address=ours.metrics_address,
            metrics_allow_remote=ours.metrics_allow_remote,
        )
        values = msgspec.structs.replace(
            fresh.values, walrus_fast=own, admin_socket_path=self.config().admin_socket_path
        )
        self.loaded = replace(fresh, values=values)
        return True
