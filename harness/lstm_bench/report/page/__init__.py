"""The report on some studies: what their files say, as one page that needs no network, or as text and data."""

from lstm_bench.report.page.contents import Report, read_report, report_of
from lstm_bench.report.page.document import document
from lstm_bench.report.page.pictures import PNG, Pictures, draw, embedded

__all__ = ["PNG", "Pictures", "Report", "document", "draw", "embedded", "read_report", "report_of"]
