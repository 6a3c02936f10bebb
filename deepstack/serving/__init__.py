"""Answering outside the process that trained: publishing for TensorFlow Serving, deployments, servers and clients."""
