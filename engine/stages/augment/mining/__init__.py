"""Rows to train on are taken from a recipe's pool: looked at in batches, chosen and labelled; none is written here."""
