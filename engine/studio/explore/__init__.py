"""What the pages that look at runs are answered: facts of `engine.report`, and pages of the store's views."""
