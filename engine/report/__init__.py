"""What a run found, for people: facts from the store, then one page, Markdown or a console summary.

`facts` reads with SQL, `tables` and `charts` write numbers and draw; `html`, `markdown` and `console` render what these
return, nothing else.
Knows nothing of recipes' meaning beyond their stored JSON; never writes to the store.
"""
