"""Label files of annotation tools: one module a format, and what to do about the others."""
