"""How long a plan takes: sums over its nodes from seconds that are given; measures nothing and reads no store."""
