"""What a project's state is: which results are new or outdated, and what no commit holds yet."""
