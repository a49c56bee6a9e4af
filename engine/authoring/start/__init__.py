"""`pada init`: from data, or from another recipe, to a recipe of one's own; asks and prints nothing itself."""
