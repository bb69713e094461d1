"""The simulated provider: what a model service does, without one. In process, and as an OpenAI-compatible server."""
