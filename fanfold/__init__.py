"""Fanfold."""
