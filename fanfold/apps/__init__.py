"""Applications: each a small package on the front door, found by entry point."""
