"""Servers over HTTP: one asynchronous client, and what differs between their protocols; knows no recipe."""
