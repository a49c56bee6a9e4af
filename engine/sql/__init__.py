"""Users' SQL on in-memory tables, and the readers of data files: checked, closed off, reproducible."""
