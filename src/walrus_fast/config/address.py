"""Where the metrics are served, as people write it in the file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Self

__all__ = ["MetricsAddress"]

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d{1,5})")


class MetricsAddress(str):
    """`127.0.0.1:9185`, `[::1]:9185`, `unix:/run/walrus/metrics.socket`. Port 0 is any that is free."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises: ValueError in words for the operator."""
        address = cls(value)
        if not isinstance(value, str) or (address.socket_path is None and address.host_and_port is None):
            raise ValueError(f"{value!r} is not an address like 127.0.0.1:9185, [::1]:9185 or unix:/path")
        return address

    @property
    def socket_path(self) -> Path | None:
        """Of a Unix socket; None for another address."""
        path = Path(self.removeprefix("unix:"))
        return path if self.startswith("unix:") and path.is_absolute() else None

    @property
    def host_and_port(self) -> tuple[str, int] | None:
        """Of a TCP address; None for another, or for what is none."""
        match = _TCP.fullmatch(self)
        if match is None or int(match["port"]) > 65535:
            return None
        try:
            # A name could be anybody's by the time that it is looked up: addresses only.
            return str(ipaddress.ip_address(match["v6"] or match["v4"])), int(match["port"])
        except ValueError:
            return None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host_and_port is None or ipaddress.ip_address(self.host_and_port[0]).is_loopback
