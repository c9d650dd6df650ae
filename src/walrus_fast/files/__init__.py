"""The seam through which every file operation of ours goes.

`Files` is the real thing. Tests pass a subclass whose n-th call fails, tears or records; nothing else in the
package calls `os.open`, `os.rename` and their kin on database or repository files. It is the one boundary at
which `OSError` becomes a `StorageError`.
"""

from walrus_fast.files.beneath import HERE
from walrus_fast.files.facts import FileStat, FileSystemSpace
from walrus_fast.files.seam import Files

__all__ = ["HERE", "FileStat", "FileSystemSpace", "Files"]
