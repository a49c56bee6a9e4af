"""`pada list`, `show` and `try operator`: prints what operators are and do, and writes to no store."""
