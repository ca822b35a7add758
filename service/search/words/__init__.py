"""Words, by themselves: their forms in Japanese, in one word or several, as they are written, and how alike two are."""
