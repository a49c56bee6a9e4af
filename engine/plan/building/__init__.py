"""What plans are put together with: a builder of nodes, parameters of parts that few recipes have; reads no files."""
