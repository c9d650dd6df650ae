"""How a file gets from one place to another: what was asked for, and what was done."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Method", "TransferMode", "methods_for"]


class Method(StrEnum):
    """How a file got where it is. READ: it was there already and only its bytes were checked."""

    LINK = "link"
    REFLINK = "reflink"
    COPY = "copy"
    READ = "read"


class TransferMode(StrEnum):
    """What the operator asked for."""

    AUTO = "auto"
    HARDLINK = "hardlink"
    REFLINK = "reflink"
    COPY = "copy"


def methods_for(mode: TransferMode) -> tuple[Method, ...]:
    """The methods to try, in order."""
    return {
        TransferMode.AUTO: (Method.LINK, Method.REFLINK, Method.COPY),
        TransferMode.HARDLINK: (Method.LINK,),
        TransferMode.REFLINK: (Method.REFLINK,),
        TransferMode.COPY: (Method.COPY,),
    }[mode]
