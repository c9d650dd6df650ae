"""systemd's notifications: READY, RELOADING, STOPPING, WATCHDOG. Without systemd, nothing."""

from __future__ import annotations

import os
import socket
import time

__all__ = ["Notifier"]


class Notifier:
    """Says how the service is to who started it (`NOTIFY_SOCKET`, `WATCHDOG_USEC` of the environment)."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        usec = environment.get("WATCHDOG_USEC", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(usec) / 2e6 if usec.isdigit() and for_us and self._address else None

    def ready(self) -> None:
        """The socket is there and requests are answered."""
        self._say("READY=1")

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """No new work."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """The loop turns. To be said every `watchdog_seconds`."""
        self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto(text.encode(), self._address)
            except OSError:
                pass  # systemd hears the next one; a service must not fail because nobody listens
