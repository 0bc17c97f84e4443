"""The service that does nothing: what Oboe itself costs."""
