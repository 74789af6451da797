"""Promotion: the gate before a model goes into production, and the list of versions."""
