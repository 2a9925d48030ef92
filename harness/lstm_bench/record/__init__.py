"""What is kept: `files` is the truth, `mlflow` a view made from it."""
