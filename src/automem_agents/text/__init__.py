"""Text: cleaning, terms, cues, tokens, segments, and how memory is shown."""
