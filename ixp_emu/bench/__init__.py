"""`ixpemu bench`: how fast the emulator is on this machine, on programs that do not change (docs/bench.md)."""

from ixp_emu.bench.command import run_bench

__all__ = ["run_bench"]
