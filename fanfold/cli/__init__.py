"""The command line: one of the doors. It builds a plan, hands it to the engine, and attaches views."""
