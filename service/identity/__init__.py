"""Who calls: callers and their rights, tokens, the issuers of tokens and their keys, API keys."""
