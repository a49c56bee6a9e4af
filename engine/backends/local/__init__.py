"""Weights in this process: loading, generating, scoring answers; torch is imported inside functions alone."""
