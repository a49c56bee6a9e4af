"""Writing recipes in the browser: the list of them, and one as a form and as YAML, two views of one text."""
