"""The simulated provider as an OpenAI-compatible HTTP server: real sockets, real headers, real faults."""

from fanfold.sim.server.listen import Running, serve_forever, start

__all__ = ["Running", "serve_forever", "start"]
