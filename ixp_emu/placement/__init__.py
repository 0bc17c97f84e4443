"""Named data structures and the memory each lives in."""
