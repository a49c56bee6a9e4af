"""`pada init`: from data to a recipe that validates."""
