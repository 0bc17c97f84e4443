"""A service whose state per flow has any size: it works at both ends of its entry."""
