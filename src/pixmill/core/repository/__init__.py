"""The state of Git and DVC in a project: stale results, uncommitted files, cached files."""
