"""Exceptions and warnings of the package; the compiled engine raises the same exceptions."""


class MtpotError(Exception):
    """Anything that mtpot refuses to do; the message names the fault and the way out."""


class InputError(MtpotError, ValueError):
    """An argument, option or structure that the caller can correct."""


class FormatError(MtpotError, ValueError):
    """A file whose content does not follow its format; the message names file and line."""


class NumericalError(MtpotError, ArithmeticError):
    """A calculation that has no finite result."""


class UncalibratedWarning(UserWarning):
    """Error bars that no frames have calibrated, far smaller than real errors."""
