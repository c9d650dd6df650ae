"""What is kept, what it costs, and whether it is enough."""
