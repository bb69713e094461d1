"""The simulated provider as an HTTP server that speaks as OpenAI, Anthropic and Google do: real sockets, real headers, real faults."""

from fanfold.sim.server.listen import Running, serve_forever, start

__all__ = ["Running", "serve_forever", "start"]
