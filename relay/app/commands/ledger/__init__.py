"""`relay ledger`: the record itself, as an operator handles it: copied, and moved to another kind."""
