"""The operator's own configuration file: which values are in force, and where each comes from."""
