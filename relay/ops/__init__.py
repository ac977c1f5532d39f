"""What keeps the service operable: clock, logs, metrics, health."""
