"""What a backup is worth: tiers of verification, and what they find."""
