"""All file operations in one class, of which tests make others."""

from __future__ import annotations

from walrus_fast.files.folders import Folders

__all__ = ["Files"]


class Files(Folders):
    """File operations on the real file system. Every method raises `StorageError`, and nothing else.

    An instance holds nothing but the names of the folders below which it follows no link (`distrust`), and can be
    pickled into a worker.
    """
