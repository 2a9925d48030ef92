"""Generated sequences whose answer lies far back."""
