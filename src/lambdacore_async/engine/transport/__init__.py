"""Sends signed requests and reads whole responses."""
