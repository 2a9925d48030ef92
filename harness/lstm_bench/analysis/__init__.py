"""What the figures say: intervals, the board of a study, study against study. Reads files, never MLflow."""
