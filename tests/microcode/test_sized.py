"""The service whose state has any size: counts at both ends of every entry, nothing between."""

from __future__ import annotations

import pytest

from ixp_emu.errors import InputError
from microcode.services.packet import UDP, Tuple
from microcode.services.sized.oracle import SizedOracle
from oboe_runtime.declaration import read_declaration
from oboe_runtime.observed import Observed
from oboe_runtime.oracle import Arrival
from tests.microcode.frames import frame_of
from tests.microcode.service_bench import Bench, Work

SERVICE = "builtin:services/sized"
FLOWS = [Tuple(1, 2, 3, port, UDP) for port in range(4)]


@pytest.mark.parametrize("memory", ["sram1", "dram"])
@pytest.mark.parametrize("words", [4, 16, 1024])
def test_both_ends_of_an_entry_count(words: int, memory: str) -> None:
    declaration = read_declaration(SERVICE, options={"state_words": words})
    sizes = [60, 100, 61, 60, 90, 64, 60]
    work = [
        Work(frame_of(FLOWS[n % 4], bytes(size - 42)), FLOWS[n % 4], record=n % 4, new=n < 4)
        for n, size in enumerate(sizes)
    ]
    bench = Bench(declaration, memories={"contexts": memory})
    bench.run(work)
    for record in range(4):
        mine = [size for n, size in enumerate(sizes) if n % 4 == record]
        ends = [len(mine), sum(mine)]
        assert bench.words("contexts")[record].tolist() == [*ends, *[0] * (words - 4), *ends]
    assert not bench.words("contexts")[4:].any()
    oracle = SizedOracle(words)
    for one in work:
        oracle.work(Arrival(one.frame, one.packet(), (0, 0, 0, 0), 0, "a", 0))
    flows = {flow: bench.words("contexts")[record].tolist() for record, flow in enumerate(FLOWS)}
    assert oracle.differences(Observed(flows={"contexts": flows})) == []
    flows[FLOWS[2]][words - 1] += 1
    (told,) = oracle.differences(Observed(flows={"contexts": flows}))
    assert told.startswith(f"contexts of {tuple(FLOWS[2])}: ")
    assert "longword 1023 is 122, expected 121" in told if words == 1024 else "2 122, expected " in told


def test_an_entry_has_room_for_both_ends() -> None:
    declaration = read_declaration(SERVICE, options={"state_words": 4})
    assert declaration.state("contexts").words == 4
    with pytest.raises(InputError, match=r"longword"):
        read_declaration(SERVICE, options={"state_words": 1})
