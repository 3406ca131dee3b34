"""Performs the steps that runs and launches are owed."""
