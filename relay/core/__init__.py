"""Decisions, and nothing else: no clock, no randomness, no await, no log. `now` and bytes go in, values come out."""
