"""The model as a service: predictions over HTTP, and the corrections that people send back."""
