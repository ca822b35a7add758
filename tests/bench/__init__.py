"""The benchmark that scripts/bench runs: it generates conversations, and measures several targets side by side."""
