"""Decisions, and nothing else: no clock, no randomness, no await, no logging. `now` and bytes go in, values come out."""
