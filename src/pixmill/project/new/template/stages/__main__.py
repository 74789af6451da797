"""MLflow's entry point: ``python -m stages train train.epochs=3``; an empty value keeps that of params.yaml."""

import sys

from pixmill.project.mlproject import main

if __name__ == "__main__":
    sys.exit(main())
