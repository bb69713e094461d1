"""Pictures of a run: folds over its events, and writers for its results."""
