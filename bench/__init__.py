"""The benchmark suite: `python -m bench` measures, `docs/benchmarks.md` shows what came out."""
