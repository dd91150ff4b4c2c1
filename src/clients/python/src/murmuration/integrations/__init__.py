"""Peers inside the training loops of others."""
