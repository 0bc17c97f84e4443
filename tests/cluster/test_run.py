"""Runs of the example cluster: conservation wherever a run is cut, seeds, threads, and faults that must be found."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import numpy as np
import pytest

from ixp_emu.cli import main
from ixp_emu.cluster.config import Port, load_config
from ixp_emu.cluster.frames import Frames
from ixp_emu.cluster.machine import EgressLog
from ixp_emu.cluster.pcap import read_pcap, write_pcap
from ixp_emu.cluster.run import LAST_CHECK_CYCLES, ClusterRun
from ixp_emu.errors import InputError
from microcode.services.forward.oracle import Drop, Routes, forward_frame, read_routes
from tests.cluster.forwarder import EXAMPLE, broken_copy, new_run, report_of
from tests.microcode.forwarding import ipv4
from tests.report.tiny import write_cluster

TRACES = Path(os.environ.get("IXPEMU_TRACES", Path(__file__).resolve().parents[3] / "shared" / "traces"))
ROUTES = {chip: read_routes(EXAMPLE.parent / "routes" / f"{chip}.toml") for chip in "ab"}
LINKED = {Port("a", 2): "b", Port("b", 2): "a"}


# --- every packet, byte for byte ------------------------------------------------------------------------------------


def route_through(frame: bytes, chip: str) -> tuple[bytes, Port] | Drop:
    """What becomes of a frame that enters a chip, by the oracle alone: bytes and egress port, or why it is dropped."""
    while True:
        routes: Routes = ROUTES[chip]
        outcome = forward_frame(frame, routes)
        if isinstance(outcome, Drop):
            return outcome
        frame, port = outcome[0], Port(chip, outcome[1])
        if port not in LINKED:
            return frame, port
        chip = LINKED[port]


def run_and_observe(run: ClusterRun) -> dict[tuple[bytes, Port], int]:
    """Run to the end; how often each (bytes, egress port) was seen."""
    names = list(run.config.chips)
    seen: dict[tuple[bytes, Port], int] = {}

    def observe(index: int, log: EgressLog) -> None:
        for row in range(len(log.time)):
            key = (log.frames.bytes_of(row), Port(names[index], int(log.port[row])))
            seen[key] = seen.get(key, 0) + 1

    run.observer = observe
    run.run()
    return seen


def assert_every_frame_is_accounted_for(run: ClusterRun, *, samples: int) -> None:
    """All offered, each delivered in its flow's order or reported lost; random ones compared byte for byte here."""
    seen = run_and_observe(run)
    result = run.result()
    assert (result.fault, result.complete, result.in_flight) == (None, True, 0)
    assert result.offered == len(run.frames) == result.delivered + sum(result.lost.values())
    assert (result.egress.unexpected, result.egress.reordered) == (0, 0)
    assert sum(seen.values()) == result.delivered
    lost = sum(result.lost.values())
    chosen = random.Random(1).sample(range(len(run.frames)), samples)
    wanted: dict[tuple[bytes, Port], int] = {}
    for index in chosen:
        outcome = route_through(run.frames.bytes_of(index), run.into[int(run.frames.port[index])].chip)
        if isinstance(outcome, Drop):
            assert result.lost[outcome.name.lower()] > 0
        else:
            wanted[outcome] = wanted.get(outcome, 0) + 1
    missing = sum(max(count - seen.get(key, 0), 0) for key, count in wanted.items())
    assert missing <= lost - sum(run.expectation.drops.values())
    report_of(run)  # checks the sums


def test_a_generated_trace_is_delivered_byte_for_byte(tmp_path: Path) -> None:
    rng = random.Random(7)
    frames = []
    for number in range(600):
        flow = rng.randrange(40)
        frames.append(
            ipv4(
                rng.choice((60, 60, 61, 100, 570, 1514)),
                source=0xC0A80000 + flow,
                destination=0x0A000000 + (flow % 11 << 16) + flow,
                options=bytes(4 * rng.choice((0, 0, 0, 1, 10))),
                ttl=rng.choice((0, 1, 2, 64, 255)),
                protocol=rng.choice((1, 6, 17)),
                fragment=rng.choice((0, 0, 0, 0x2000, 185)),
                ports=(flow, 80),
                identification=number,
                checksum_error=rng.choice((0, 0, 0, 0, 0, 1)),
                ether_type=rng.choice((0x0800, 0x0800, 0x0800, 0x0806)),
            )
        )
    trace = tmp_path / "trace.pcap"
    write_pcap(trace, Frames.from_bytes(frames), timestamp_ns=np.arange(len(frames), dtype=np.uint64))
    run = ClusterRun(load_config(EXAMPLE, overrides=[f"traffic.pcap={trace}"]))
    assert_every_frame_is_accounted_for(run, samples=len(frames))
    drops = {reason for _, reason in run.expectation.drops}
    assert drops == {"not_ipv4", "bad_header", "bad_checksum", "ttl_expired"}
    assert run.result().lost == {
        reason: sum(count for (_, r), count in run.expectation.drops.items() if r == reason) for reason in drops
    }


@pytest.mark.parametrize(
    "name",
    [
        "pcapplusplus_example_web.pcap",
        "stopddos_synflood_spoofed.pcap",
        "zeek_echo_connections.pcap.gz",
    ],
)
def test_a_real_trace_is_delivered_whole(name: str) -> None:
    if not (TRACES / name).is_file():
        pytest.skip("the traces are not here")
    run = ClusterRun(load_config(EXAMPLE, overrides=[f"traffic.pcap={TRACES / name}"]))
    assert len(run.frames) == len(read_pcap(TRACES / name).frames)
    assert_every_frame_is_accounted_for(run, samples=200)


def test_a_limit_and_a_warm_up_of_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.pcap"
    frames = [ipv4(60, source=n) for n in range(5)]
    write_pcap(trace, Frames.from_bytes(frames), timestamp_ns=np.arange(5, dtype=np.uint64))

    def offered(*overrides: str) -> int:
        return len(ClusterRun(load_config(EXAMPLE, overrides=[f"traffic.pcap={trace}", *overrides])).frames)

    assert offered() == 5
    assert offered("run.offered_packets=4") == 4
    assert offered("run.offered_packets=6", "run.warmup_packets=4") == 5
    with pytest.raises(InputError) as caught:
        offered("run.offered_packets=6", "run.warmup_packets=5")
    assert str(caught.value) == (
        "--set run.warmup_packets=5: run.warmup_packets: expected less than the 5 packets offered; got the integer 5"
    )


# --- conservation, seeds, threads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_lost_between_cuts(threads: int) -> None:
    run = new_run("run.warmup_packets=20", "traffic.rate=2 Gb/s", threads=threads)
    rng = random.Random(11 + threads)
    cuts = sorted(rng.randrange(1, 250_000) for _ in range(12))
    for cut in cuts:
        run.run(cycles=cut)
        result = run.result()
        assert result.offered == result.delivered + sum(result.lost.values()) + result.in_flight
        assert 0 <= result.in_flight <= result.offered <= len(run.frames)
        report_of(run)  # checks ME cycles and references per memory
    run.run()
    whole = new_run("run.warmup_packets=20", "traffic.rate=2 Gb/s")
    whole.run()
    assert report_of(run) == report_of(whole)


def test_busy_cycles_end_where_a_run_is_cut() -> None:
    run = new_run("traffic.sizes=1518", packets=40)
    for cut in range(8_000, 8_400, 7):
        run.run(cycles=cut)
        counters = run.result().total
        before = {name: counters[name].copy() for name in ("rx_spi_busy", "tx_spi_busy", "unit_busy")}
        run.run(cycles=cut + 1)
        counters = run.result().total
        for name in ("rx_spi_busy", "tx_spi_busy"):  # one more cycle is busy or it is not
            assert set((counters[name] - before[name]).tolist()) <= {0, 1}
        assert (counters["unit_busy"] <= cut + 1).all() and (counters["unit_busy"] >= 0).all()


def test_a_run_ends_soon_after_its_last_packet() -> None:
    for overrides in ([], ["traffic.back_pressure=true", "traffic.sizes=1518"], ["traffic.rate=20_000"]):
        run = new_run(*overrides, packets=60)
        run.run()
        result = run.result()
        assert 0 < run.now - int(result.egress.left_at.max()) <= LAST_CHECK_CYCLES


def test_the_same_seed_gives_the_same_report_and_another_does_not() -> None:
    reports = []
    for seed in (3, 3, 4):
        run = new_run(f"run.seed={seed}")
        run.run()
        reports.append(report_of(run))
    assert reports[0] == reports[1]
    assert reports[0]["run"]["cycles"] != reports[2]["run"]["cycles"]
    assert reports[0]["traffic"]["latency_cycles"] != reports[2]["traffic"]["latency_cycles"]


@pytest.mark.parametrize("latency_ns", [2, 499, 500, 1_000, 50_000])
def test_threads_do_not_show_in_the_report(latency_ns: int) -> None:
    reports = []
    for threads in (1, 2):
        run = new_run(f"links.ab.latency_ns={latency_ns}", threads=threads)
        run.run()
        reports.append(report_of(run))
        # 300 cycles are 500 ns: chips closer than that share a worker
        assert run.machine.threads == (1 if latency_ns < 500 else threads)
        run.machine.close()
    assert reports[0] == reports[1]


# --- microcode that is wrong ----------------------------------------------------------------------------------------


def fault_of(folder: Path, program: str, old: str, new: str, *overrides: str, packets: int = 300) -> str:
    run = new_run(*broken_copy(folder, program, old, new), *overrides, packets=packets)
    run.run()
    fault = run.result().fault
    assert fault is not None
    return fault


def test_a_copy_that_is_not_broken_has_no_fault(tmp_path: Path) -> None:
    run = new_run(*broken_copy(tmp_path, "firmware/tx.uc", "#define SEQUENCE_MASK 0xFF", "#define SEQUENCE_MASK 0xFF "))
    run.run()
    assert run.result().fault is None and run.result().delivered == 300


def test_a_wrong_checksum_is_found(tmp_path: Path) -> None:
    fault = fault_of(
        tmp_path,
        "services/forward/forward.uc",
        "    alu[$$out[6], --, B, checksum_word]\n",
        "    alu[$$out[6], checksum_word, +, 1]\n",
        "traffic.into=['b.0']",  # nothing passes another chip, which would drop it
    )
    assert fault == "300 frames left that match nothing expected (300 unknown, 0 on a wrong port, 0 twice)"


def test_broken_microcode_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = broken_copy(
        tmp_path,
        "services/forward/forward.uc",
        "    alu[$$out[6], --, B, checksum_word]\n",
        "    alu[$$out[6], checksum_word, +, 1]\n",
    )
    settings = [*overrides, "run.warmup_packets=0", "traffic.into=['b.0']"]
    with pytest.raises(SystemExit) as caught:
        main(["run", str(EXAMPLE), "--packets", "20", *(word for text in settings for word in ("--set", text))])
    assert caught.value.code == 1
    assert capsys.readouterr().out.startswith("verdict     FAULT 20 frames left that match nothing expected ")


def test_a_missing_order_is_found(tmp_path: Path) -> None:
    # Contexts of an ME pass packets on as they are done instead of in turn; headers with options take longer.
    trace = tmp_path / "trace.pcap"
    frames = [ipv4(80, options=bytes(4 * (10 if n % 2 == 0 else 0)), identification=n, protocol=1) for n in range(200)]
    write_pcap(trace, Frames.from_bytes(frames), timestamp_ns=np.arange(len(frames), dtype=np.uint64))
    order = "    ctx_arb[written, turn_send]\n"
    overrides = [*broken_copy(tmp_path, "services/forward/forward.uc", order, "    ctx_arb[written]\n")]
    run = ClusterRun(load_config(EXAMPLE, overrides=[*overrides, f"traffic.pcap={trace}"]))
    run.run()
    result = run.result()
    assert result.egress.reordered > 0 and result.delivered == 200
    assert result.fault == f"order violation: {result.egress.reordered} packets left behind a later one of their flow"
    intact = ClusterRun(load_config(EXAMPLE, overrides=[f"traffic.pcap={trace}"]))
    intact.run()
    assert intact.result().fault is None


def test_a_drop_the_oracle_does_not_know_ends_the_run_as_a_fault(tmp_path: Path) -> None:
    # Buffers of 1,024 bytes: receive drops longer frames.
    fault = fault_of(
        tmp_path, "lib/buffers.uc", "#define BUFFER_BITS 11 ", "#define BUFFER_BITS 10 ", "traffic.sizes=1518",
        "traffic.into=['a.0']", packets=30,
    )  # fmt: skip
    assert fault == "chip a dropped 30 packets as rx_error, 0 expected"


def test_buffers_that_are_never_freed_are_reported_as_stuck(tmp_path: Path) -> None:
    put = "    scratch[put, $freed, (FREE_RING << 2), 0, 1], structure[free_ring], sig_done[put_done]\n"
    leak = "    scratch[read, $sequence, 0, 0, 1], structure[free_ring], sig_done[put_done]\n"
    run = new_run(
        *broken_copy(tmp_path, "firmware/tx.uc", put, leak), "run.stall_after=100_000", "traffic.into=['a.0']",
        "traffic.sizes=64", packets=900,
    )  # fmt: skip
    run.run()
    result = run.result()
    assert result.fault is not None and result.in_flight > 0
    first, *lines = result.fault.splitlines()
    quiet = first.removeprefix(f"stuck: {result.in_flight} packets in flight and nothing moved for ")
    cycles = int(quiet.removesuffix(" cycles (run.stall_after)").replace(",", ""))
    assert 100_000 <= cycles < 100_000 + LAST_CHECK_CYCLES
    receive = next(line for line in lines if line.startswith("  a 0:0 (rx): "))
    # One context asks for a buffer again and again, the others wait for their turn.
    assert "contexts 1, 2, 3, 4, 5, 6, 7 for turn_deliver at " in receive and "context 0 " in receive
    assert "rx.uc:" in receive
    assert all(len(line) < 900 for line in lines)


def test_what_the_microcode_counts_without_dropping_is_in_the_report(tmp_path: Path) -> None:
    # 64 groups of four: 2,000 flows do not fit, each is forwarded all the same.
    run = new_run("traffic.generator=uniform", "traffic.flows=2_000", "traffic.sizes=64", packets=1_500)
    run.run()
    report = report_of(run)
    full = [chip["events"].get("flow_table_full", 0) for chip in report["chips"]]
    held = []
    for index, name in enumerate(run.config.chips):
        placed = run.images[name].structures["flow_table"]
        words = run.machine.memories[index].words[2][placed.location.base // 4 :][: placed.size_bytes // 4]
        table = words.reshape(-1, 8)
        held.append(int(table[table[:, 3] != 0][:, 4].sum()))
    passed = [int(chip["port"]["frames_out"].sum()) for chip in run.machine.chips]
    assert [count + kept for count, kept in zip(full, held, strict=True)] == passed
    assert min(full) > 0 and report["traffic"]["lost"] == {}


# --- faults ---------------------------------------------------------------------------------------------------------

_HALT_LATER = """\
    br!=ctx[0, end#]
{wait}    ctx_arb[bpt]
end#:
    ctx_arb[kill]
    msf[fast_wr, --, 0, 0]
"""
_BUSY = """\
.reg read $x
.reg n
.sig done
    immed[n, 0]
loop#:
    scratch[read, $x, 0, 0, 1], sig_done[done]
    alu[n, n, +, 1]
    ctx_arb[done], br[loop#]
"""


def _two_chips(folder: Path, *, link: bool) -> Path:
    """Chip b halts in its 3,000th cycle; chip a reads scratch for ever."""
    file = write_cluster(folder, _BUSY, cycles=1_000_000)
    (folder / "halt.uc").write_text(_HALT_LATER.format(wait="    nop\n" * 2_998))
    chip_b = '[chips.b]\nports = ["1GbE", "1GbE"]\nengines = { halt = ["0:0"] }\n[traffic]'
    text = file.read_text().replace('["1GbE"]', '["1GbE", "1GbE"]').replace("[traffic]", chip_b)
    text = text.replace("[chips.a]", '[programs.halt]\nsource = "halt.uc"\n[chips.a]')
    if link:
        text = text.replace("[traffic]", '[links.ab]\nbetween = ["a.1", "b.1"]\n[traffic]')
    file.write_text(text)
    return file


_DECLARED = ".reg read $got\n.reg write $sent\n.reg where\n.sig done\n"
_LOAD = "    immed[where, {0}]\n    immed_w1[where, {1}]\n    immed[$sent, 0]\n"


@pytest.mark.parametrize(
    ("access", "address", "what"),
    [
        ("sram[read, $got, where, 0, 1]", 8 << 20, "access outside a memory{0}, address 0x800000"),
        ("scratch[read, $got, where, 0, 1]", 16_384, "access outside a memory{0}, address 0x4000"),
        ("scratch[put, $sent, where, 0, 1]", 3 << 2, "put into a full ring{0}, ring 3"),
        ("msf[fast_wr, --, where, 0]", 0x0008_0044, "RBUF element freed twice{0}, value 0x8"),
    ],
)
def test_a_fault_of_a_command_names_its_source_line(tmp_path: Path, access: str, address: int, what: str) -> None:
    signal = "" if "fast" in access else ", ctx_swap[done]"
    load = _LOAD.format(address & 0xFFFF, address >> 16)
    file = write_cluster(tmp_path, f"{_DECLARED}{load}    {access}{signal}\n    ctx_arb[kill]\n")
    run = ClusterRun(load_config(file))
    run.run()
    assert run.fault is not None
    place = f"{tmp_path / 'main.uc'}:8, word 3"
    assert re.sub("cycle [0-9]+", "cycle n", run.fault) == (
        f"chip a, cycle n: {what.format(', ME 0:0 (main), context 0')}, {place}"
    )


def test_a_program_that_runs_over_its_end_names_its_last_line(tmp_path: Path) -> None:
    file = write_cluster(tmp_path, "    nop\n    nop\n")  # and the media command behind it
    run = ClusterRun(load_config(file))
    run.run()
    place = f"word 3, behind {tmp_path / 'main.uc'}:3"
    assert run.fault == f"chip a, cycle 3: program counter outside the program, ME 0:0 (main), context 0, {place}"


@pytest.mark.parametrize("link", [True, False])
def test_all_chips_stop_in_the_cycle_of_a_fault(tmp_path: Path, link: bool) -> None:
    file = _two_chips(tmp_path, link=link)
    reports, records = [], []
    for threads in (1, 2, 2):
        run = ClusterRun(load_config(file), threads=threads)
        run.run()
        place = f"{tmp_path / 'halt.uc'}:3000"
        assert run.fault == f"chip b, cycle 2,999: halt, ME 0:0 (halt), context 0, {place}, word 2999"
        assert run.now == 3_000
        assert run.machine.chips["published"].tolist() == [3_000, 3_000]
        reports.append(report_of(run))
        records.append([(chip["me"]["file"].tobytes(), chip["me"]["pc"].tobytes()) for chip in run.machine.chips])
        run.machine.close()
    assert reports[0] == reports[1] == reports[2]
    assert records[0] == records[1] == records[2]
    reference = ClusterRun(load_config(file))
    reference.run(cycles=3_000 - 1)  # the cycle before: chip a has done what it does anyway
    executing = reference.result().total["me_executing"][0, 0]
    assert reports[0]["chips"][0]["microengines"][0]["cycles"]["executing"] - executing in (0, 1)
    assert sum(reports[0]["chips"][0]["microengines"][0]["cycles"].values()) == 3_000


def test_a_fault_far_into_a_run_is_the_same_from_a_checkpoint_kept_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _two_chips(tmp_path, link=True)
    plain = ClusterRun(load_config(file))
    plain.run()
    kept = ClusterRun(load_config(file))
    monkeypatch.setattr("ixp_emu.cluster.run._KEEP_SECONDS", 0.0)
    for cut in (1_000, 2_000, 2_999):
        kept.run(cycles=cut)
    kept.run()
    assert report_of(kept) == report_of(plain)
    assert kept.fault == plain.fault


def test_frames_that_arrive_when_the_run_is_over_are_not_expected() -> None:
    def run_of(*overrides: str) -> ClusterRun:
        packets = ["run.offered_packets=50", "run.warmup_packets=0"]
        return ClusterRun(load_config(EXAMPLE, overrides=[*packets, *overrides]))

    arrival = run_of().frames.arrival.astype(int)
    last = int(arrival[30])
    expected = []
    for cycles in (last, last + 1):  # the frame that arrives in the last cycle may enter, that of the next may not
        expected.append(np.unique(run_of(f"run.max_cycles={cycles}").expectation.frames.input).tolist())
        assert expected[-1] == np.flatnonzero(arrival < cycles).tolist()
    assert 0 < len(expected[0]) < len(expected[1]) < 50
