"""Renews the keys that sign webhook tokens."""
