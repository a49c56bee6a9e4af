"""The judge and the decision on each candidate, to which all findings lead; sees training and generated rows alone."""
