"""Messages that get lost and chips that stop: nothing hangs, nothing is done twice, every packet is accounted for."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.egress import NOT_DELIVERED
from ixp_emu.cluster.extension import open_extensions
from ixp_emu.errors import InputError
from microcode.services.packet import Tuple
from oboe_runtime.layout import BUNDLES, slices_per_chip
from tests.oboe_runtime.oboe_runs import OboeRun, configuration, fault_lines, run_oboe

TRAFFIC = {"generator": "zipf", "rate": 100_000, "sizes": [[64, 1]], "flows": 60, "zipf_s": 0.5}
PACKETS = 400
STOP_CYCLE = 1_200_000
HEARTBEAT_US = 100
DOWN_HEARTBEATS = 5
CYCLES_PER_US = 600
"""Half of the packets have entered by then: 4 ms are 2.4 M cycles."""


def run_with_faults(
    folder: Path,
    faults: list[dict[str, object]],
    *,
    chips: int,
    service: str = "builtin:services/monitor",
    **oboe: object,
) -> OboeRun:
    path = configuration(
        folder,
        service=service,
        chips=chips,
        control=True,
        traffic={**TRAFFIC, "into": [f"n{number}.0" for number in range(chips)]},
        run={"offered_packets": PACKETS, "stall_after": 8_000_000},
        oboe={"heartbeat_us": HEARTBEAT_US, **oboe},
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
    assert done.result.delivered == PACKETS - 7 and done.result.extensions["oboe"]["states_judged"]


def test_lost_partials_come_again(tmp_path: Path) -> None:
    fault = {"kind": "drop_message", "at_cycle": 300_000, "chip": "n0", "message": "PARTIAL", "count": 5}
    options = {"sketch_cells": 256, "merge_period_us": 500}
    done = run_with_faults(tmp_path, [fault], chips=3, options=options)
    assert done.result.fault is None and done.result.delivered == PACKETS
    assert done.result.extensions["oboe"]["states_judged"]
    assert done.words("n0", "drop_order")[0, 0] == 0
    assert done.events()["sent_again"] >= 5


def stop(chip: str) -> dict[str, object]:
    return stop_at(chip, STOP_CYCLE)


def stop_at(chip: str, cycle: int) -> dict[str, object]:
    return {"kind": "chip_stop", "at_cycle": cycle, "chip": chip}


def noticed(done: OboeRun, cycle: int) -> npt.NDArray[np.bool_]:
    """Frames that enter when all chips know of a stop, by a long way: heartbeats, ticks, a look at all bundles."""
    known = cycle + (DOWN_HEARTBEATS + 2) * HEARTBEAT_US * CYCLES_PER_US + 300_000
    return np.asarray(done.run.frames.arrival > known)


def bundle_entries(done: OboeRun, chip: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Chip and epoch of every bundle, as a chip has them."""
    words = done.words(chip, "bundle_table")[:, 0]
    return words >> 16 & 0xFF, words & 0xFFFF


def heir_of(bundle: int, down: set[int], chips: int) -> tuple[int, int]:
    """Chip and epoch of a bundle: the first that is up, in the order in which bundles of its chip are dealt out."""
    owned = [len(range(chip, BUNDLES, chips)) for chip in range(chips)]
    owner = bundle % chips
    others = sorted((chip for chip in range(chips) if chip != owner), key=owned.__getitem__)
    turn = bundle // chips % len(others)
    order = [owner, *others[turn:], *others[:turn]]
    epoch = next(number for number, chip in enumerate(order) if chip not in down)
    return order[epoch], epoch


def assert_restarted(done: OboeRun, down: set[int], chips: int) -> int:
    """All that are up agree on every bundle's heir, but for those that found no slice there, whose number is returned.

    Every bundle that lives somewhere has a slice of its own; no flow has two live records.
    """
    expected = [heir_of(bundle, down, chips) for bundle in range(BUNDLES)]
    seen: set[Tuple] = set()
    missing = 0
    for chip in set(range(chips)) - down:
        where, epochs = bundle_entries(done, f"n{chip}")
        got = list(zip(where.tolist(), epochs.tolist(), strict=True))
        without = [n for n in range(BUNDLES) if got[n] != expected[n]]
        assert all(expected[n][0] == chip and got[n][0] in down for n in without)
        mine = np.flatnonzero(where == chip)
        slices = done.words(f"n{chip}", "bundle_slices")[mine, 0]
        assert len(set(slices.tolist())) == len(mine) and int(slices.max()) < slices_per_chip(chips)
        events = done.run.service_events()[f"n{chip}"]
        assert events["bundle_restarted"] == int(np.count_nonzero(epochs[mine] > 0))
        assert (len(mine) == slices_per_chip(chips)) or not without
        missing += len(without)
        records = done.records(f"n{chip}")
        assert not seen & set(records)
        seen |= set(records)
    return missing


@pytest.mark.parametrize("order", ["pinned", "ordered"])
def test_a_chip_stops(tmp_path: Path, order: str) -> None:
    """What is in it and on its way to it is lost; its bundles begin again at the others, and then nothing is."""
    done = run_with_faults(tmp_path, [stop("n2")], chips=3, order=order, options={"sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert set(result.lost) <= {"chip_stopped", "chip_down"} and result.lost["chip_stopped"] > 0
    assert result.offered == result.delivered + sum(result.lost.values())
    for number in (0, 1):
        assert int(done.words(f"n{number}", "chips_down")[0, 0]) == 1 << 2
    assert result.extensions["oboe"]["flows_lost"] == len(done.records("n2")) > 0
    assert assert_restarted(done, {2}, 3) == 0
    ingress = np.array([done.run.into[port].chip for port in done.run.frames.port])
    owners = np.array(done.run.extensions["oboe"].offered.owners)  # type: ignore[attr-defined]
    spared = (ingress != "n2") & ((owners != "n2") | noticed(done, STOP_CYCLE))
    left = np.zeros(PACKETS, bool)
    left[done.run.expectation.frames.input[result.egress.left_at != NOT_DELIVERED]] = True
    assert result.extensions["oboe"]["states_judged"]  # the records of the chips that are up
    assert np.count_nonzero(spared & (owners == "n2")) > 10
    assert left[spared].all()


@pytest.mark.parametrize("between", [1, 700_000])
def test_two_chips_stop(tmp_path: Path, between: int) -> None:
    """At once, and one when the other's bundles have begun again; a bundle may have lived at both."""
    faults = [stop_at("n3", STOP_CYCLE), stop_at("n1", STOP_CYCLE + between)]
    done = run_with_faults(tmp_path, faults, chips=4, options={"sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert result.offered == result.delivered + sum(result.lost.values())
    assert any(heir_of(bundle, {1, 3}, 4)[1] == 2 for bundle in range(BUNDLES))
    assert assert_restarted(done, {1, 3}, 4) == BUNDLES - 2 * slices_per_chip(4)


def test_bundles_that_find_no_slice_stay_lost(tmp_path: Path) -> None:
    """Of two chips each has room for 768 bundles, and 512 of its own."""
    done = run_with_faults(tmp_path, [stop("n1")], chips=2, options={"sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert result.offered == result.delivered + sum(result.lost.values())
    assert result.lost["chip_down"] > 0
    assert assert_restarted(done, {1}, 2) == BUNDLES - slices_per_chip(2) == 256


def test_the_home_stops(tmp_path: Path) -> None:
    """Callers that wait for it are told, and their packets dropped and counted; no context waits for ever."""
    done = run_with_faults(tmp_path, [stop("n0")], chips=3, options={"conservative": 1, "sketch_cells": 256})
    result = done.result
    assert result.fault is None and result.complete
    assert result.lost["unavailable"] > 0
    assert result.offered == result.delivered + sum(result.lost.values())


def test_the_home_stops_and_packets_go_on_without_it(tmp_path: Path) -> None:
    """on_unavailable = "forward": of the other chips no packet is lost that they know how to send on."""
    source = Path(str(files("microcode"))) / "services" / "monitor"
    for path in source.iterdir():
        if path.is_file():
            table = "[state.conservative_sketch]\n"
            (tmp_path / path.name).write_text(path.read_text().replace(table, f'{table}on_unavailable = "forward"\n'))
    options = {"conservative": 1, "sketch_cells": 256}
    done = run_with_faults(tmp_path, [stop("n0")], chips=3, options=options, service=str(tmp_path))
    result = done.result
    assert result.fault is None and result.complete
    assert set(result.lost) <= {"chip_stopped", "chip_down"}
    assert result.offered == result.delivered + sum(result.lost.values())
    assert assert_restarted(done, {0}, 3) == 0
    ingress = np.array([done.run.into[port].chip for port in done.run.frames.port])
    left = np.zeros(PACKETS, bool)
    left[done.run.expectation.frames.input[result.egress.left_at != NOT_DELIVERED]] = True
    assert left[(ingress != "n0") & noticed(done, STOP_CYCLE)].all()


@pytest.mark.parametrize(("lost", "down"), [(DOWN_HEARTBEATS - 1, False), (DOWN_HEARTBEATS, True)])
def test_a_chip_is_down_when_it_is_silent_for_more_than_five_heartbeats(tmp_path: Path, lost: int, down: bool) -> None:
    """No message but heartbeats comes to n0; without four of them it waits for five periods."""
    fault = {"kind": "drop_message", "at_cycle": 100_000, "chip": "n0", "message": "ACK", "count": lost}
    path = configuration(
        tmp_path,
        chips=2,
        control=True,
        traffic={**TRAFFIC, "rate": 2_000, "into": ["n0.0"]},
        run={"offered_packets": 5, "stall_after": 8_000_000},
        oboe={"heartbeat_us": HEARTBEAT_US},
        lines=fault_lines([fault]),
    )
    done = run_oboe(path)
    assert done.words("n0", "drop_order")[0, 0] == 0
    # To a chip that is down nothing is sent any more, so it finds the other down as well.
    assert [int(done.words(chip, "chips_down")[0, 0]) for chip in ("n0", "n1")] == [2 * down, down]


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
