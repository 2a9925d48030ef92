"""A published table made again, row by row: the rows as data, their studies, and what came of them."""
