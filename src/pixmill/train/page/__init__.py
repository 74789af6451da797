"""``reports/train.html`` and a sheet of training images."""
