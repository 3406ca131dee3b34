"""Follows the Runs table's stream."""
