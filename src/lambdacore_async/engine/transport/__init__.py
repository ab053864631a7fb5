"""Sends signed requests and reads complete responses."""
