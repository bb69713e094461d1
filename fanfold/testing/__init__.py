"""For our tests and for users': virtual time, a scripted provider, a fault server, conformance suites."""
