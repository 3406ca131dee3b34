"""Shows what the ledger has."""
