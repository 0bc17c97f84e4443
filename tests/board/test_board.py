"""The Python API: load, preset, run, look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ixp_emu.assembler import write_elf, write_raw
from ixp_emu.board import Board, ChipFault, Frame, Location, assemble
from ixp_emu.errors import InputError
from tests.board.boards import SEND

LOOP = """
.reg n
    immed[n, 3]
again#:
    alu[n, n, -, 1]
    bne[again#]
    ctx_arb[kill]
"""


def nops(count: int) -> str:
    return "nop\n" * count


# --- running --------------------------------------------------------------------------------------------------------


def test_cycles_of_a_loop() -> None:
    board = Board()
    board.load("0:1", LOOP, contexts=[0])
    board.run(50)
    # immed, three rounds of two instructions, kill; three aborted slots per taken branch, two behind the swap
    assert board.me["0:1"].cycles == {"executing": 8, "aborted": 8, "stalled": 0, "idle": 50 - 16}
    assert board.me["0:1"].context(0).instructions == 8
    assert board.me["0:1"].context(0)["n"] == 0
    assert board.me["0:1"].flags == (False, True, True, False)
    assert board.now == 50


@pytest.mark.parametrize("form", ["text", "file", "program", "words", "raw", "object"])
def test_every_form_of_a_program(form: str, tmp_path: Path) -> None:
    program = assemble(LOOP)
    source = tmp_path / "loop.uc"
    source.write_text(LOOP)
    write_raw(program, tmp_path / "loop.img")
    write_elf(program, tmp_path / "loop.o")
    forms = {
        "text": LOOP,
        "file": source,
        "program": program,
        "words": program.words,
        "raw": tmp_path / "loop.img",
        "object": str(tmp_path / "loop.o"),
    }
    board = Board(ports=0)
    assert board.load(7, forms[form], contexts=1).words == program.words
    board.run(16)
    assert board.me["1:3"].cycles["executing"] == 8


def test_a_program_loaded_later_starts_then() -> None:
    board = Board()
    board.load(0, LOOP, contexts=1)
    board.run(101)
    board.load(1, LOOP, contexts=1)
    board.run(1)
    assert board.me[1].cycles == {"executing": 1, "aborted": 0, "stalled": 0, "idle": 101}
    board.run(15)
    assert board.me[1].cycles == {"executing": 8, "aborted": 8, "stalled": 0, "idle": 101}
    board.run(1)
    assert board.me[1].cycles["idle"] == 102
    board.load(0, LOOP, contexts=1)  # again, into one that has run
    board.run(1)
    assert board.me[0].cycles["executing"] == 9
    board.run(15)
    assert board.me[0].cycles == {"executing": 16, "aborted": 16, "stalled": 0, "idle": 118 - 16}


@pytest.mark.parametrize("contexts", [0b1010, [1, 3], (3, 1)])
def test_contexts_as_mask_or_numbers(contexts: object) -> None:
    board = Board()
    board.load(0, ".reg n\nimmed[n, 1]\nctx_arb[kill]\n", contexts=contexts)  # type: ignore[arg-type]
    board.run(40)
    assert [context["n"] for context in board.me[0].contexts.values()] == [0, 1, 0, 1, 0, 0, 0, 0]


def test_four_contexts_have_32_registers() -> None:
    board = Board()
    board.load(0, ".num_contexts 4\n.areg n 20\nimmed[n, 7]\nctx_arb[kill]\n")
    board.run(40)
    assert list(board.me[0].contexts) == [0, 2, 4, 6]
    assert [len(context.gpr_a) for context in board.me[0].contexts.values()] == [32] * 4
    assert [int(board.me[0].gpr_a[32 * index + 20]) for index in range(4)] == [7] * 4


@pytest.mark.parametrize(
    ("mode", "bit"), [("local_mem0_mode abs", 16), ("local_mem1_mode abs", 17), ("init_nn_mode self", 20)]
)
def test_modes_that_a_program_asks_for(mode: str, bit: int) -> None:
    board = Board()
    board.load(0, f".{mode}\n{LOOP}", contexts=[0, 4])
    assert board.me[0].csr["CTX_ENABLES"] == 1 << bit | 0x1100
    board.load(1, LOOP)
    assert board.me[1].csr["CTX_ENABLES"] == 0xFF00
    board.run(100)
    assert board.me[0].cycles["executing"] == 16


def test_entry() -> None:
    board = Board()
    board.load(0, LOOP, contexts=1, entry=3)
    board.run(10)
    assert board.me[0].cycles["executing"] == 1


@pytest.mark.parametrize("before", [0, 1, 13])
@pytest.mark.parametrize(("every", "rounds"), [(1, 14), (7, 2), (10, 2), (100, 1)])
def test_conditions_are_asked_every_so_many_cycles(before: int, every: int, rounds: int) -> None:
    """The store at cycle 13 is seen after 14 cycles, at the first question from then on."""
    board = Board()
    board.load(
        0,
        ".reg x\nlocal_csr_wr[active_lm_addr_0, 0]\n" + nops(11) + "immed[x, 5]\nalu[*l$index0, --, b, x]\nhalt",
        contexts=1,
    )
    board.run(before)
    asked: list[int] = []

    def stored(board: Board) -> bool:
        asked.append(board.now)
        return board.me[0].local_memory[0] == 5

    every_after = -(-(14 - before) // every) * every
    if before + every_after >= 15:  # the halt comes first
        with pytest.raises(ChipFault):
            board.run_until(stored, limit=1000, every=every)
        assert board.now == 15
    else:
        assert board.run_until(stored, limit=1000, every=every)
        assert asked == list(range(before, before + every_after + 1, every))


def test_a_condition_that_does_not_hold() -> None:
    board = Board()
    assert board.run_until(lambda board: False, limit=25, every=10) is False
    assert board.now == 25
    assert board.run_until(lambda board: True, limit=0) is True


def test_steps_of_a_run_do_not_matter() -> None:
    """A program with commands on all memories, in one step and cycle by cycle."""
    source = """
    .reg address, count
    .reg read $x[2]
    .reg write $y
    .reg $$z[2]
    .sig a, b, c
        immed[address, 0x100]
        immed[count, 20]
    again#:
        scratch[get, $x[0], 0, 0, 2], sig_done[a]
        sram[read, $x[0], address, 4, 2], sig_done[b]
        dram[read, $$z[0], address, 0, 1], sig_done[c]
        ctx_arb[a, b, c]
        alu[$y, --, b, $x[1]]
        scratch[put, $y, 0, 4, 1], ctx_swap[a]
        alu[count, count, -, 1]
        bne[again#]
        ctx_arb[kill]
    """
    records = []
    for step in (1, 7, 3000):
        board = Board()
        board.load(0, source)
        board.load(5, source)
        board.ring(0, base=0, size=128, contents=range(1, 100))
        board.ring(1, base=4096, size=1024)
        board.sram[0][0x104:0x10C] = [7, 9]
        while board.now < 6000:
            board.run(min(step, 6000 - board.now))
        assert len(board.ring(1)) == 2 * 8 * 20
        records.append((board.me[0].cycles, board.me[5].cycles, board.counters, board.ring(1).contents))
    assert records[0] == records[1] == records[2]


VALUES = """
.num_contexts 8
.local_mem weights {memory} 16 16
.init weights 1, 2, 4, 8
.reg @rounds, at, start
.reg read $x[4]
.sig s
.init @rounds 100
.init_ctx 3 start 5
.init_ctx 0x28
.entry go#
done#:
    ctx_arb[kill]
go#:
    alu[@rounds, start, +, @rounds]
    br[done#]
"""


@pytest.mark.parametrize("memory", ["local", "scratch", "sram1"])
def test_values_that_a_program_wants_at_its_start(memory: str) -> None:
    board = Board()
    program = board.load(2, VALUES.format(memory=memory), locations={"Weights": Location(memory, 0x40)})
    words = board.me[2].local_memory if memory == "local" else board.memory(memory).words
    assert words[0x40 // 4 - 1 : 0x40 // 4 + 5].tolist() == [0, 1, 2, 4, 8, 0]
    assert (board.me[2].context(3)["start"], board.me[2].context(5)["start"]) == (5, 0)
    board.run(40)
    assert board.me[2].context(0)["@rounds"] == 105
    assert [context.instructions for context in board.me[2].contexts.values()] == [0, 0, 0, 3, 0, 3, 0, 0]
    other = Board()
    other.load(2, program, contexts=[1], entry=0, locations={"weights": Location(memory, 0x40)})
    other.run(40)
    assert [context.instructions for context in other.me[2].contexts.values()] == [0, 1, 0, 0, 0, 0, 0, 0]
    with pytest.raises(InputError) as caught:
        other.load(3, program)
    assert str(caught.value) == "structure weights: has initial contents; preset them by address"


# --- presets --------------------------------------------------------------------------------------------------------


def test_registers_absolute_and_by_context() -> None:
    me = Board().me["0:0"]
    me.gpr_a[2 * 16 + 3] = 5
    me.context(2).gpr_b[15] = 6
    me.context(7).sram_out[1] = 8
    assert (int(me.context(2).gpr_a[3]), int(me.gpr_b[47]), int(me.sram_out[7 * 16 + 1])) == (5, 6, 8)
    files = (me.gpr_a, me.gpr_b, me.sram_in, me.dram_in, me.sram_out, me.dram_out, me.neighbor)
    for number, file in enumerate(files):
        file[:] = number  # none overlaps another
    assert [set(file.tolist()) for file in files] == [{number} for number in range(7)]
    assert len(me.local_memory) == 640 and not me.local_memory.any()


def test_presets_are_what_programs_see() -> None:
    board = Board()
    board.load(
        2,
        """
        .reg @shared
        .reg own, sum
        .set own
        local_csr_wr[active_lm_addr_0, 40]
        alu[sum, own, +, @shared]
        alu[sum, sum, +, *l$index1]
        alu[sum, sum, +, 0]
        alu[*l$index0, --, b, sum]
        ctx_arb[kill]
        """,
        contexts=[3],
    )
    me = board.me[2]
    me.context(3)["own"] = 1000
    me.context(0)["@shared"] = 200
    me.local_memory[0] = 30
    board.run(20)
    assert me.local_memory[10] == 1230
    assert me.context(3)["sum"] == 1230
    assert me.context(5)["@shared"] == 200


def test_longwords_and_bytes_of_memories() -> None:
    board = Board()
    for memory in (board.scratch, board.sram[0], board.sram[1], board.dram):
        memory[8] = 0x01020304
        assert memory.read_bytes(7, 6) == bytes([0, 1, 2, 3, 4, 0])
        memory.write_bytes(10, b"\xaa\xbb\xcc")
        assert memory[8:16].tolist() == [0x0102AABB, 0xCC000000]
        memory[0:12] = 9
        assert memory[0:16].tolist() == [9, 9, 9, 0xCC000000]
        memory[memory.size_bytes - 4] = 1
        assert memory.words[-1] == 1
    board.sram[0].words[100] = 77
    assert board.sram[0][400] == 77


def test_bytes_anywhere_are_what_was_written() -> None:
    memory = Board().sram[1]
    whole = bytearray(64)
    random = np.random.default_rng(3)
    for _ in range(200):
        start = int(random.integers(0, 64))
        data = random.bytes(int(random.integers(0, 65 - start)))
        memory.write_bytes(start, data)
        whole[start : start + len(data)] = data
        assert memory.read_bytes(0, 64) == whole


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda m: m[2], "sram0: address 0x2: must be a multiple of 4"),
        (lambda m: m[-4], "sram0: 4 bytes at -0x4: the memory has 0x800000 bytes"),
        (lambda m: m[0x800000], "sram0: 4 bytes at 0x800000: the memory has 0x800000 bytes"),
        (lambda m: m.__setitem__(0, 1 << 32), "sram0[0x0]: 4294967296 is no longword: 0..0xffffffff"),
        (lambda m: m.__setitem__(slice(0, 8), [1]), "sram0[0x0:0x8]: 1 longwords for 2"),
        (lambda m: m[0:8:4], "sram0: a step is not possible"),
        (lambda m: m.read_bytes(0x7FFFFF, 2), "sram0: 2 bytes at 0x7fffff: the memory has 0x800000 bytes"),
    ],
)
def test_what_memories_refuse(what: object, message: str) -> None:
    board = Board({"sram.size_bytes": 8 << 20})
    with pytest.raises(InputError) as caught:
        what(board.sram[0])  # type: ignore[operator]
    assert str(caught.value) == message


@pytest.mark.parametrize("wait", [0, 1, 2, 3])
def test_local_memory_indices_as_the_next_instruction_has_them(wait: int) -> None:
    """A write by the instruction of cycle 0 counts from cycle 4 on."""
    board = Board()
    board.load(0, "local_csr_wr[active_lm_addr_1, 0x40]\nctx_arb[kill]\n", contexts=[2])
    board.run(1 + wait)
    assert board.me[0].context(2).lm_addr == (0, 0x40 if 1 + wait >= 4 else 0)
    board.run(10)
    assert board.me[0].context(2).lm_addr == (0, 0x40)
    assert board.me[0].context(3).lm_addr == (0, 0)


def test_the_host_sees_delayed_writes_and_overrules_them() -> None:
    board = Board()
    board.load(0, "local_csr_wr[active_lm_addr_0, 0x40]\nctx_arb[kill]\n", contexts=[2])
    board.run(4)
    assert board.me[0].csr["ACTIVE_LM_ADDR_0"] == 0  # cycle 3
    board.run(1)
    assert board.me[0].csr["ACTIVE_LM_ADDR_0"] == 0x40
    board.me[0].csr["ACTIVE_LM_ADDR_0"] = 0x80
    board.run(10)
    assert board.me[0].csr["ACTIVE_LM_ADDR_0"] == 0x80 == board.me[0].context(2).lm_addr[0]


# --- frames ---------------------------------------------------------------------------------------------------------


def arrivals(board: Board, port: int, count: int) -> list[int]:
    """First bits of the frames that a MAC took in and nobody has fetched."""
    return [int(time) for time in board.port(port).record["rx_time"][:count]]


def test_frames_enter_at_line_rate() -> None:
    board = Board(ports=2)
    board.feed(0, [bytes(60), bytes(10), bytes(100)], at=1000)
    board.feed(0, bytes(60), at=1500)  # behind those before it
    board.feed(0, bytes(60), at=9000)
    board.feed(1, bytes(1514))
    board.run(10_000)
    # 8 ns are 4.8 cycles at 600 MHz; a frame takes 8 + 4 + 12 bytes more
    second = 1000 + 84 * 48 // 10
    third = second + 84 * 48 // 10
    fourth = third + 124 * 48 // 10
    assert arrivals(board, 0, 5) == [1000, second, third, fourth, 9000]
    assert arrivals(board, 1, 1) == [0]
    assert (board.port(0).frames_in, board.port(0).bytes_in) == (5, 60 * 4 + 100)


def test_what_a_full_mac_does() -> None:
    for back_pressure, lost in ((False, 1), (True, 0)):
        board = Board({"msf.rbuf_bytes": 2048, "mac.rx_fifo_bytes": 2048}, ports=1, back_pressure=back_pressure)
        board.feed(0, [bytes(1500)] * 4)
        board.run(40_000)
        taken = (28 * 64 + 2048) // 1500  # 32 elements, four of which the erratum takes
        assert board.port(0).frames_in == taken
        assert board.port(0).frames_lost == (4 - taken) * lost


def test_frames_that_leave() -> None:
    board = Board(ports=2)
    board.load(0, SEND, contexts=1)
    board.run(5000)
    (frame,) = board.egress
    assert frame.port == 1 and frame.data == bytes([3, 4, 1, 2] * 2).ljust(60, b"\0")
    assert board.collect(0) == []
    assert board.collect(1) == [frame] and board.egress == [] and board.collect() == []
    assert isinstance(frame, Frame)


def test_a_frame_is_collected_once_its_last_bit_has_left() -> None:
    board = Board(ports=2)
    board.load(0, SEND, contexts=1)
    board.run(5000)
    time = board.collect()[0].time
    for until, count in ((time, 0), (time + 1, 1)):
        board = Board(ports=2)
        board.load(0, SEND, contexts=1)
        board.run(until)
        assert len(board.collect()) == count


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_fault_says_where() -> None:
    board = Board(name="left")
    board.load("1:2", assemble(nops(20) + "halt\n", name="stop.uc"), contexts=[5])
    with pytest.raises(ChipFault) as caught:
        board.run(100)
    fault = caught.value
    assert str(fault) == "chip left, cycle 20: halt, ME 1:2 (stop.uc), context 5, stop.uc:21, word 20"
    assert (fault.chip, fault.reason, fault.cycle, fault.engine, fault.context) == ("left", "halt", 20, 6, 5)
    assert (fault.pc, fault.place) == (20, ("stop.uc", 21))
    assert board.now == 21
    assert board.me["1:2"].context(5).pc == 20  # still to be looked at
    with pytest.raises(ChipFault, match="cycle 20: halt"):
        board.run(1)


def test_a_fault_of_a_command() -> None:
    board = Board()
    board.load(
        0, ".reg read $x\n.reg a\n.sig s\nimmed[a, 0x7ffc]\nscratch[read, $x, a, 0, 2], ctx_swap[s]\n", contexts=[1]
    )
    with pytest.raises(ChipFault) as caught:
        board.run(200)
    place = "context 1, address 0x7ffc, program:5, word 1"
    assert str(caught.value).endswith(f"access outside a memory, ME 0:0 (program), {place}")
    assert (caught.value.context, caught.value.pc, caught.value.detail) == (1, 1, 0x7FFC)
    assert caught.value.place == ("program", 5)


def test_the_end_of_a_program_is_a_fault() -> None:
    board = Board()
    board.load(0, nops(3), contexts=[0])
    with pytest.raises(ChipFault) as caught:
        board.run(100)
    assert str(caught.value) == (
        "chip a, cycle 3: program counter outside the program, ME 0:0 (program), context 0, word 3, behind program:3"
    )


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda b: b.load("0:4", LOOP), 'microengine: "0:4" is no engine "cluster:ME" from "0:0" to "1:3"'),
        (lambda b: b.load(8, LOOP), "microengine: 8: must be 0 to 7, or a name"),
        (lambda b: b.load(0, LOOP, contexts=[8]), "contexts: 8: there are 0, 1, 2, 3, 4, 5, 6, 7"),
        (lambda b: b.load(0, LOOP, contexts=2, four_contexts=True), "contexts: 1: there are 0, 2, 4, 6"),
        (lambda b: b.load(0, LOOP, entry=4), "entry: 4: must be 0 to 3"),
        (lambda b: b.load(0, []), "words: the program has no words"),
        (lambda b: b.load(0, [1 << 40]), "words: word 0 is 1099511627776: must be 0..0xffffffffff"),
        (lambda b: b.load(0, [0] * 4097), "words: 4097 words: the control store has 4096"),
        (lambda b: b.load(0, "nothing.img"), "nothing.img: cannot be read: No such file or directory"),
        (lambda b: b.ring(16), "ring: 16: must be 0 to 15"),
        (lambda b: b.ring(1, base=0, size=100), "ring 1: size 100: must be 128, 256, 512 or 1024 longwords"),
        (lambda b: b.ring(1, base=512, size=256), "ring 1: base 0x200: must be a multiple of 1024 inside scratch"),
        (lambda b: b.ring(1, base=0x4000), "ring 1: base 0x4000: must be a multiple of 512 inside scratch"),
        (lambda b: b.ring(1, base=0, contents=[1] * 129), "ring 1: 129 longwords do not fit a ring of 128"),
        (lambda b: b.feed(2, b"x"), "board a: port 2: there are 2, from 0"),
        (lambda b: b.feed(0, b""), "port 0: frame of 0 bytes: must be 1..9600"),
        (lambda b: (b.run(5), b.feed(0, b"x", at=4)), "at: cycle 4 is over: now is 5"),
        (lambda b: b.run(-1), "cycles: -1: must be 0 or more"),
        (lambda b: b.me[0].context(8), "ME 0:0: context 8: there are 0, 1, 2, 3, 4, 5, 6, 7"),
        (lambda b: b.me[0].context(0)["x"], "register x: no register of that name in what ME 0:0 runs"),
        (lambda b: Board(ports=17), "ports: 17: must be 0 to 16"),
        (lambda b: Board("ixp1200"), 'hardware.preset: no preset "ixp1200"; there are ixp2400-600, ixp2400-400'),
        (lambda b: Board({"dram.cas": "x"}), "hardware.dram.cas: 'x' is not an integer (cycles)"),
    ],
)
def test_what_a_board_refuses(what: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        what(Board())  # type: ignore[operator]
    assert str(caught.value) == message


# --- structures and counters ----------------------------------------------------------------------------------------


def test_structures_are_counted_by_name() -> None:
    source = """
    .structure Hits element_bytes=4 count=64 align=8 access=add sharing=me
    .reg index
        immed[index, 5]
        state_add[Hits, index, 0, 1]
        ctx_arb[kill]
    """
    board = Board()
    for engine, memory in enumerate(("sram0", "sram0")):
        board.load(engine, source, locations={"Hits": Location(memory, 0x200)})
    board.run(500)
    assert board.sram[0][0x200 + 20] == 16
    assert board.counters["structures"]["hits"]["sram0"] == {"references": 16, "longwords": 16}
    assert board.counters["sram0"]["references"] == 16
    assert board.counters["structures"]["(unnamed)"]["sram0"]["references"] == 0
