"""Recipes that join networks of catalog.embedders with the training loop of generation."""
