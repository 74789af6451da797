"""Models in the format of MLflow, with the code that serves them."""
