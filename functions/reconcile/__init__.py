"""Finds out what no webhook told."""
