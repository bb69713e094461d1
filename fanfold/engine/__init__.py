"""The deeds: the asyncio shell around the conductor. It decides nothing."""
