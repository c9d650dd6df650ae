"""Metrics, status page, alerts."""
