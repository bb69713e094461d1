"""What the fault server can do to a request: modes of the network, and of each dialect."""
