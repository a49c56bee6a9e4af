"""Preference tuning: pairs of right and wrong answers are found, then the round's student is tuned with them."""
