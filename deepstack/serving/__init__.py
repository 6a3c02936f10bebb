"""What an artifact is for: published, served, streamed."""
