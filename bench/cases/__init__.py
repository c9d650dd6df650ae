"""The contests, one file for each of the things that walrus-fast does."""
