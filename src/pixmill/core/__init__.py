"""Foundation of all packages: params, the manifest, files, errors, processes."""
