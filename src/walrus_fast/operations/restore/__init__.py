"""Putting a backup back, rehearsing that, and taking it back."""
