"""Servers over HTTP: one asynchronous client and what all protocols share; a protocol is a file beside this room."""
