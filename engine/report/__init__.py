"""What a run found, for people: facts from the store, then one page, Markdown or a console summary.

`facts.collect` reads with SQL; `html`, `markdown` and `console` render what it returns, nothing else.
Knows nothing of recipes' meaning beyond their stored JSON; never writes to the store.
"""
