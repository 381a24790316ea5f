"""The report: one page that opens anywhere, and the figures in it as PNG files."""

from mtpot.train.report.calibration import Calibration, calibration_figure
from mtpot.train.report.compared import Compared
from mtpot.train.report.comparison import write_comparison
from mtpot.train.report.folder import FILES, PAGE, clear_report
from mtpot.train.report.judged import Evaluated, Judged, judge
from mtpot.train.report.single import write_report
from mtpot.train.report.style import COLORS, to_png

__all__ = [
    "COLORS",
    "FILES",
    "PAGE",
    "Calibration",
    "Compared",
    "Evaluated",
    "Judged",
    "calibration_figure",
    "clear_report",
    "judge",
    "to_png",
    "write_comparison",
    "write_report",
]
