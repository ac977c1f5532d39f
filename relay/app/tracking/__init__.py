"""What `relay track` does at a running relay: hand jobs in, look at them until they end, show both."""
