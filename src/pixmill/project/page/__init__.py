"""The page of `pixmill open`: next steps, pipeline, reports and commands."""
