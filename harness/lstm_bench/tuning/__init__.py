"""The search: its space as data, the ask-run-tell loop, and the confirmation on fresh seeds."""
