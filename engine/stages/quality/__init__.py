"""What a generated row must pass before it is trained on; asks no model but the embedder."""
