"""Kafka as every room that needs it sees it: how to connect, one producer for all, failures by their `Reason`."""
