"""What comes from others is harmless: recipes, stores, rows, replies and models that mean ill, each kind once."""
