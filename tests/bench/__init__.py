"""The benchmark that scripts/bench runs: generated conversations, and what is measured side by side over them."""
