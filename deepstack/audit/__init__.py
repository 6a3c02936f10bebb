"""Does anything look ahead? The whole chain, link by link, and the planted leaks that prove the audit."""
