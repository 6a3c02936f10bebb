"""Networks that look at a window as a picture."""
