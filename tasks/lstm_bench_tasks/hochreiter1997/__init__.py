"""The tasks of Hochreiter and Schmidhuber 1997, "Long short-term memory", with the criteria they were judged by."""
