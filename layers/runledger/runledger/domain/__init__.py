"""Pure decisions: the standard library alone, no I/O."""
