"""What commands write to a terminal, a file or a pipe: how far work is, and texts in any encoding."""
