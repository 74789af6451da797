"""The model in use: predictions, exports, the HTTP service, and the inbox of corrections."""
