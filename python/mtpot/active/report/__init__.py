"""The report of a learning run: what it took, what it bought, in one page that opens anywhere."""

from mtpot.active.report.page import FIGURES, write_report
from mtpot.train.report import PAGE

__all__ = ["FIGURES", "PAGE", "write_report"]
