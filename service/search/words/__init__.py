"""Functions on words alone: Japanese forms, spellings, joined and split words, written words, and similarity."""
