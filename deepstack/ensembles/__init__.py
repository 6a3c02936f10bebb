"""Several models answering as one: how their probabilities are combined, who is dropped, and how they differ."""
