"""Very deep Keras models for candle data, judged honestly."""

__version__ = "0.1.0"
