"""Request files for batch services: what was asked and what came back; sends nothing and keeps nothing in the store."""
