"""Moves bytes: hard link, reflink or copy, with both checksums, in a bounded pool of worker processes."""
