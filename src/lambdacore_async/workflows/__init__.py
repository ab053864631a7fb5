"""Workflows made of many calls: listings, fan-outs, waiters, watches and provisioning."""
