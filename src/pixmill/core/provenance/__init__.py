"""Which code, params and inputs decide a result."""
