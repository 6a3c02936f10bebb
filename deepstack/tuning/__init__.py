"""Searches that judge every trial on purged folds before the test slice, and open that once, for the winner."""
