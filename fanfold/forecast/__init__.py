"""What a run would take: the same conductor over a heap of moments, with habits of the model in place of the model."""
