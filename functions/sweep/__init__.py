"""Puts what is due into the work queue."""
