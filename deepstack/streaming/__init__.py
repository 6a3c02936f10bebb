"""A finished artifact at work on candles as they close: one answer a bar, the same as over all of them at once."""
