"""One IXP2400: its hardware description, state layout and compiled behaviour."""
