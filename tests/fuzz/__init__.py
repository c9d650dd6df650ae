"""Inputs that nobody would write: for the parsers in C (libFuzzer) and in Python (hypothesis, atheris)."""
