"""The built-in tasks: the first plugin, found just as a stranger's is."""
