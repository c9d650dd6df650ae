"""The twin of `_native.resident_pages`: mincore(2) through ctypes, nothing counted beforehand."""

from __future__ import annotations

import ctypes
import mmap

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_LIBC.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]


def resident_pages(fd: int, offset: int, length: int) -> bytes:
    address = _LIBC.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, offset)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    pages = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
    failed = _LIBC.mincore(address, length, pages)
    number = ctypes.get_errno()
    _LIBC.munmap(address, length)
    if failed:
        raise OSError(number, "mincore")
    return bytes(page & 1 for page in pages.raw)
