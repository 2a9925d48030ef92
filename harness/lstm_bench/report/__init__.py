"""What a person sees: the tables and the live screen."""
