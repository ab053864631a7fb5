"""Builds requests and parses responses; pure functions, without sockets, clock or randomness."""
