"""`ixpemu calibrate`: microbenchmarks that compare the running model with its parameters and closed forms."""

from ixp_emu.calibrate.command import run_calibration

__all__ = ["run_calibration"]
