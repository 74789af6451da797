"""What people see of a training: ``reports/train.html``, and samples of its images."""
