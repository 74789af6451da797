"""What everything stands on: params, the manifest, files, errors, processes."""
