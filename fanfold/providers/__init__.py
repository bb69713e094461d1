"""The edge to model providers: each adapter is `encode`, `decode` and a `PROFILE` row; `wire` is the only HTTP client."""
