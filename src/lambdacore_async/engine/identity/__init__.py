"""Finds, caches and refreshes the credentials that sign requests."""
