"""Sources of conversations. Each yields validated conversations and reports the input that it could not read."""
