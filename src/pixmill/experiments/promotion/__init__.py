"""Promote models: the gate before production, and the list of versions."""
