"""What is true: pure decisions, the standard library alone, no I/O."""
