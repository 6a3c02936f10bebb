"""TensorFlow Serving's protocol for machines without Docker."""
