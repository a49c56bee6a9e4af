"""From a file to a recipe in the browser: the questions of `pada init`, a preview, every prompt of a row."""
