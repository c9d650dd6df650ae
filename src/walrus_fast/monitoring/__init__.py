"""What others see of a running node: metrics, a status page, its health. Reads only."""
