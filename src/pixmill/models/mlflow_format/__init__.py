"""Models in MLflow's format, including the code that serves them."""
