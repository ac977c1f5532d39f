"""Relay watches Zendesk background jobs for every service and publishes what became of them."""

__version__ = "0.1.0"
