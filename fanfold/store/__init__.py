"""Where runs are kept: journal, values and records. A store writes and reads; what is written was decided elsewhere."""
