"""From failures to patterns and strategies; sees validation rows, and writes none of them into what it hands on."""
