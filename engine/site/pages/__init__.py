"""Pages that show a tree of recipes, without a server and without a network: an index, and a page for each recipe."""
