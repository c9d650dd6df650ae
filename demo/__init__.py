"""`make demo`: the main job on a real database, readable on a terminal."""
