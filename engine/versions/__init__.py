"""What changes between recipes, versions and runs: told by meaning, run again, and packed for others."""
