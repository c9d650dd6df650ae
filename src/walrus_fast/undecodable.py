"""What msgspec raises for bytes that it cannot decode."""

from __future__ import annotations

import msgspec

__all__ = ["UNDECODABLE"]

# Text that is not UTF-8, and values nested deeper than the interpreter's stack, are not MsgspecErrors (0.19 to 0.22).
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
