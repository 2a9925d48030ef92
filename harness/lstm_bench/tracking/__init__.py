"""MLflow as a view of the files: what it is to show, how that gets there, and the UI over it."""
