"""Where conversations come from. Each source yields validated conversations and tells what it could not read."""
