"""The report on some studies: what their files say, as one page that needs no network, or as text and data."""

from lstm_bench.report.page.contents import Report, Study, read_report
from lstm_bench.report.page.document import document
from lstm_bench.report.page.pictures import Picture, draw, embedded

__all__ = ["Picture", "Report", "Study", "document", "draw", "embedded", "read_report"]
