"""A student behind a server for as long as a benchmark takes, and guidellm that times it; asks no teacher or judge."""
