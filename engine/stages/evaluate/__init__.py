"""What the student answers and how good that is; nothing here writes rows or decides what is trained."""
