"""Writes the documents that follow from the program: `python -m docgen errors|man FOLDER`."""
