"""`lstm-bench doctor`: is all well here, what may be believed of a timing, and what mends what is wrong."""
