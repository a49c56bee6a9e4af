"""Tests of the row functions: what they change, what they leave, and what they refuse."""
