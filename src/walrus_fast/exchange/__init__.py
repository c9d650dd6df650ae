"""Puts a restored database in the place of the one that is there, and back again, whatever interrupts it."""
