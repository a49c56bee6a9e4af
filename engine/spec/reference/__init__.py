"""The page that lists every key of a recipe, written from the JSON Schema; examples of keys are in `examples.yaml`."""
