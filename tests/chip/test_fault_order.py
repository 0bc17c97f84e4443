"""The earliest fault of a chip counts, whoever has run ahead."""

from __future__ import annotations

import pytest

from ixp_emu.chip.codes import Fault
from tests.chip.one_chip import OneChip

_BAD_READ = ".reg a $x\n.sig s\nimmed[a, 0x7fff]\nscratch[read, $x, a, 0, 1], sig_done[s]\nctx_arb[s]\n"


def _service_time() -> int:
    """When the read beyond scratch's end is a fault: its service."""
    chip = OneChip({0: _BAD_READ})
    record = chip.run(1_000)
    assert int(record["fault"]) == Fault.ACCESS_OUTSIDE
    return int(record["fault_time"])


@pytest.mark.parametrize("fault", ["halt", ".word 0", "alu[--, *l$index0, +, 1]"])
def test_the_earlier_of_two_faults_is_reported(fault: str) -> None:
    """A private program runs far ahead of the clock; its fault comes one cycle before, with, or after another's."""
    served = _service_time()
    for distance, first in ((-1, 1), (1, 0)):
        when = served + distance
        head = "local_csr_wr[ACTIVE_LM_ADDR_0, x]\n" if "index" in fault else "nop\n"
        source = f".reg x\nimmed[x, 2560]\n{head}" + "nop\n" * (when - 2) + f"{fault}\n"
        record = OneChip({0: _BAD_READ, 1: source}).run(1_000)
        assert int(record["fault_me"]) == first
        assert int(record["fault_time"]) == (when if first else served)
