"""The test workload: a real RocksDB under load whose exact content after any step is known.

`states` says what every step writes and what must be there after it; `writer` is the process that does it;
`prefix` compares a (restored) database with `states`; `driver` runs the writer from a test; `shapes` builds
static databases of a given size. Nothing in here is part of the product.
"""
