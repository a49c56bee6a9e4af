"""How long replies of a server may be: asked for, refused and learned; sends nothing itself."""
