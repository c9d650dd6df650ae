"""The command line. The only place that prints and that decides an exit status."""
