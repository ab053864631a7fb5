"""Sends requests: transport, retries, rate limiting, credentials."""
