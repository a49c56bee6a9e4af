"""Servers that tests and benchmarks talk to, on loopback only."""
