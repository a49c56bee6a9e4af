"""What people's verdicts do to rows. They are parameters: a step's identity is what they say, not who said it."""
