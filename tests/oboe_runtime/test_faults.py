"""Messages that get lost and chips that stop: nothing hangs, nothing is done twice, every packet is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.extension import open_extensions
from ixp_emu.errors import InputError
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, fault_lines, run_oboe

TRAFFIC = {"generator": "zipf", "rate": 100_000, "sizes": [[64, 1]], "flows": 60, "zipf_s": 0.5}
PACKETS = 400
STOP_CYCLE = 1_200_000
"""Half of the packets have entered by then: 4 ms are 2.4 M cycles."""


def run_with_faults(folder: Path, faults: list[dict[str, object]], *, chips: int, **oboe: object) -> OboeRun:
    path = configuration(
        folder,
        service="builtin:services/monitor",
        chips=chips,
        control=True,
        traffic={**TRAFFIC, "into": [f"n{number}.0" for number in range(chips)]},
        run={"offered_packets": PACKETS, "stall_after": 8_000_000},
        oboe={"heartbeat_us": 100, **oboe},
        lines=fault_lines(faults),
    )
    return run_oboe(path)


@pytest.mark.parametrize("message", ["CALL", "REPLY", "ACK"])
@pytest.mark.parametrize("count", [1, 20])
def test_lost_messages_of_strict_operations_come_again(tmp_path: Path, message: str, count: int) -> None:
    """Calls are lost at the home, replies and answers of the channel elsewhere; 20 are more than a window holds."""
    chip = "n0" if message == "CALL" else "n1"
    fault = {"kind": "drop_message", "at_cycle": 300_000, "chip": chip, "message": message, "count": count}
    options = {"conservative": 1, "sketch_cells": 256}
    done = run_with_faults(tmp_path, [fault], chips=2, options=options, categories={"totals": "strict"})
    assert done.result.fault is None and done.result.delivered == PACKETS
    assert done.result.extensions["oboe"]["states_judged"]
    assert done.words(chip, "drop_order")[0, 0] == 0  # all that were asked for have been lost
    if message != "ACK":
        assert done.events()["sent_again"] >= 1


def test_a_packet_lost_between_chips_is_counted(tmp_path: Path) -> None:
    """The data channel sends nothing again."""
    fault = {"kind": "drop_message", "at_cycle": 300_000, "chip": "n1", "message": "DISPATCH", "count": 7}
    done = run_with_faults(tmp_path, [fault], chips=2, options={"sketch_cells": 256})
    assert done.result.fault is None and done.result.lost == {"lost_on_purpose": 7}
    assert done.result.delivered == PACKETS - 7


def test_lost_partials_come_again(tmp_path: Path) -> None:
    fault = {"kind": "drop_message", "at_cycle": 300_000, "chip": "n0", "message": "PARTIAL", "count": 5}
    options = {"sketch_cells": 256, "merge_period_us": 500}
    done = run_with_faults(tmp_path, [fault], chips=3, options=options)
    assert done.result.fault is None and done.result.delivered == PACKETS
    assert done.result.extensions["oboe"]["states_judged"]
    assert done.words("n0", "drop_order")[0, 0] == 0
    assert done.events()["sent_again"] >= 5


def stop(chip: str) -> dict[str, object]:
    return {"kind": "chip_stop", "at_cycle": STOP_CYCLE, "chip": chip}


@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_a_chip_stops(tmp_path: Path, order: str) -> None:
    """Its bundles' packets are lost, in it or at the other chips, which notice; all others go on."""
    done = run_with_faults(tmp_path, [stop("n2")], chips=3, order=order, options={"sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert set(result.lost) <= {"chip_stopped", "chip_down"}
    assert result.lost["chip_stopped"] > 0 and result.lost["chip_down"] > 0
    assert result.offered == result.delivered + sum(result.lost.values())
    extension = done.run.extensions["oboe"]
    owners = extension._owners  # type: ignore[attr-defined]
    ingress = [done.run.into[port].chip for port in done.run.frames.port]
    spared = sum(owner != "n2" and port != "n2" for owner, port in zip(owners, ingress, strict=True))
    assert result.delivered >= spared
    for number in (0, 1):
        assert int(done.words(f"n{number}", "chips_down")[0, 0]) == 1 << 2
    assert result.extensions["oboe"]["flows_lost"] == len(done.records("n2")) > 0


def test_the_home_stops(tmp_path: Path) -> None:
    """Callers that wait for it are told, and their packets dropped and counted; no context waits for ever."""
    done = run_with_faults(tmp_path, [stop("n0")], chips=3, options={"conservative": 1, "sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert result.lost["unavailable"] > 0
    assert result.offered == result.delivered + sum(result.lost.values())


def test_without_faults_no_chip_is_taken_for_down(tmp_path: Path) -> None:
    done = run_with_faults(tmp_path, [], chips=3, options={"sketch_cells": 256})
    assert done.result.lost == {}
    for number in range(3):
        assert int(done.words(f"n{number}", "chips_down")[0, 0]) == 0


def test_a_fault_names_a_chip_of_the_cluster(tmp_path: Path) -> None:
    path = configuration(
        tmp_path,
        traffic={**TRAFFIC, "into": ["n0.0"]},
        run={"offered_packets": 1},
        lines=["[[oboe.fault]]", 'kind = "chip_stop"', "at_cycle = 1", 'chip = "m0"'],
    )
    with pytest.raises(InputError) as caught:
        open_extensions(load_config(path))
    assert str(caught.value).endswith('oboe.fault[0].chip: unknown chip "m0"; there are n0')
