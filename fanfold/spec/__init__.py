"""The words. Frozen data that every room shares; nothing here decides or does anything."""
