"""The host's physical map, address by address."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ixp_emu.board import Board, ChipFault, HostError, assemble
from ixp_emu.errors import InputError
from ixp_emu.isa import LOCAL_CSRS
from tests.board.driver import ENGINE_IDS, parity_of

CSRS = 0xC001_8000
CSR = {name: csr.address for name, csr in LOCAL_CSRS.items()}
NOP = 0xF0000C0300
HALT = 0xE000020000
KILL = 0xE000010000


def csr(engine: int, name: str) -> int:
    """Physical address of a local CSR."""
    return CSRS + (ENGINE_IDS[engine] << 10) + CSR[name]


def store(board: Board, engine: int, words: list[int], *, first: int = 0, flip: dict[int, int] | None = None) -> None:
    """Write words to a control store; ``flip``: parity bits to invert, by position."""
    board.host.write(csr(engine, "USTORE_ADDRESS"), 1 << 31 | first)
    for position, word in enumerate(words):
        parity = parity_of(word & 0xFFFFF) | parity_of(word >> 20) << 1
        parity ^= (flip or {}).get(position, 0)
        board.host.write(csr(engine, "USTORE_DATA_LOWER"), word & 0xFFFFFFFF)
        board.host.write(csr(engine, "USTORE_DATA_UPPER"), parity << 8 | word >> 32)
    board.host.write(csr(engine, "USTORE_ADDRESS"), 0)


def ready(board: Board, engine: int) -> None:
    """Take an ME out of reset, its contexts ready at address 0."""
    board.host.write(0xC0004A10, 0)
    for context in range(8):
        board.host.write(csr(engine, "CSR_CTX_POINTER"), context)
        board.host.write(csr(engine, "INDIRECT_CTX_STS"), 0)
        board.host.write(csr(engine, "INDIRECT_CTX_SIG_EVENTS"), 1)
        board.host.write(csr(engine, "INDIRECT_CTX_WAKEUP_EVENTS"), 1)


# --- memories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "memory"),
    [
        (0x0000_0000, lambda b: b.dram),
        (0x8000_0000, lambda b: b.sram[0]),
        (0x9000_0000, lambda b: b.sram[1]),
        (0xCA00_0000, lambda b: b.scratch),
    ],
)
def test_memories(first: int, memory: object) -> None:
    board = Board()
    shown = memory(board)  # type: ignore[operator]
    last = first + shown.size_bytes - 4
    board.host.write(first + 8, 0xA1B2C3D4)
    board.host.write(last, 5)
    assert (shown[8], shown[shown.size_bytes - 4]) == (0xA1B2C3D4, 5)
    shown[12] = 0x01020304
    assert board.host.read(first + 12) == 0x01020304
    assert board.host.read_bytes(first + 10, 4) == b"\xc3\xd4\x01\x02"
    board.host.write_bytes(first + 15, b"xyz")
    assert (shown[12], shown[16]) == (0x01020300 | ord("x"), ord("y") << 24 | ord("z") << 16)
    for refused in (lambda: board.host.read(last + 4), lambda: board.host.read_bytes(last, 5)):
        with pytest.raises(HostError):
            refused()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda h: h.read(2), "host address 0x00000002: the host reads and writes longwords: must be a multiple of 4"),
        (lambda h: h.write(0xD6000061, 0), "host address 0xd6000061: the host reads and writes longwords: must be a"),
        (
            lambda h: h.read(0x04000000),
            "host address 0x04000000: nothing is mapped here; the nearest below: dram (0x00000000 to 0x03ffffff)",
        ),
        (
            lambda h: h.write(0xC0004A14, 1),
            "host address 0xc0004a14: nothing is mapped here; the nearest below: global CSRs (0xc0004a00 to ",
        ),
        (
            lambda h: h.read(0xC0019000),
            "host address 0xc0019000: nothing is mapped here; the nearest below: CSRs of ME 0:3 (0xc0018c00 to ",
        ),
        (
            lambda h: h.write(0xD6000068, 1),
            "host address 0xd6000068: no register of the interrupt controller (0xd6000000 to 0xd6000207)",
        ),
        (lambda h: h.read(0xFFFFFFFC), "host address 0xfffffffc: nothing is mapped here; the nearest below: PCI CSRs"),
        (lambda h: h.read(-4), "host address: -4 is no physical address: 0..0xffffffff"),
        (lambda h: h.read(1 << 32), "host address: 4294967296 is no physical address: 0..0xffffffff"),
        (lambda h: h.write(0, -1), "host address 0x00000000: -1 is no longword: 0..0xffffffff"),
        (lambda h: h.read_bytes(0xC8000000, 4), "host address 0xc8000000: 4 bytes from here do not lie in one memory"),
    ],
)
def test_what_the_host_refuses(what: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        what(Board().host)  # type: ignore[operator]
    assert str(caught.value).startswith(message)


def test_regions_do_not_overlap() -> None:
    regions = Board().host.regions
    assert all(one.end <= other.first for one, other in pairwise(regions))


# --- global CSRs ----------------------------------------------------------------------------------------------------


def test_global_csrs() -> None:
    board = Board()
    assert board.host.read(0xC0004A00) >> 8 == 2
    board.host.write(0xC0004A00, 0)
    assert board.host.read(0xC0004A00) >> 8 == 2
    board.host.write(0xC0004A08, 0x1234)
    assert board.host.read(0xC0004A08) == 0x1234


def timestamp(board: Board) -> int:
    return board.host.read(csr(2, "TIMESTAMP_LOW"))


def test_the_timestamp_starts_with_bit_7_of_misc_control() -> None:
    board = Board(cold=True)
    board.host.write(0xC0004A10, 0)
    board.run(100)
    assert timestamp(board) == 0
    board.host.write(0xC0004A04, 0x80)  # in cycle 99
    board.run(15)
    assert timestamp(board) == 0  # cycle 114
    board.run(1)
    assert timestamp(board) == 1  # cycle 115
    board.run(160)
    assert timestamp(board) == 11
    board.host.write(0xC0004A04, 0x80)  # it is set already
    assert timestamp(board) == 11
    board.host.write(0xC0004A04, 0)
    board.host.write(0xC0004A04, 0x80)
    assert timestamp(board) == 0


def test_the_timestamp_of_a_loaded_board_runs_from_the_beginning() -> None:
    board = Board()
    board.run(161)
    board.host.write(0xC0004A04, board.host.read(0xC0004A04) | 0x80)
    assert timestamp(board) == 10


# --- interrupts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "register", "word"),
    [(2, "XSCALE_INT_A", 0x060), (5, "XSCALE_INT_A", 0x064), (0, "XSCALE_INT_B", 0x080), (7, "XSCALE_INT_B", 0x084)],
)
def test_interrupts(engine: int, register: str, word: int) -> None:
    board = Board()
    host, base = board.host, 0xD6000000
    board.load(engine, f"cap[fast_wr, 0, {register}]\nctx_arb[kill]\n", contexts=[1, 6])
    board.run(300)
    bits = 0b0100_0010 << 8 * (engine % 4)
    raw, status, enable_set, enable_clear = (base + word + step for step in (0, 0x80, 0x100, 0x180))
    words = (0x060, 0x064, 0x080, 0x084)
    assert [host.read(base + one) for one in words] == [bits if one == word else 0 for one in words]
    assert host.read(status) == 0
    one, other = 2 << 8 * (engine % 4), 64 << 8 * (engine % 4)
    host.write(enable_set, one)
    assert (host.read(status), host.read(enable_set)) == (one, one)
    host.write(enable_set, other)
    assert host.read(status) == bits
    host.write(enable_clear, one)
    assert (host.read(status), host.read(raw)) == (other, bits)
    host.write(raw, other)
    assert (host.read(status), host.read(raw)) == (0, one)
    assert sum(host.read(base + step + one) for one in words for step in (0x80, 0)) == one


# --- rings ----------------------------------------------------------------------------------------------------------


def test_rings_through_csrs_and_window() -> None:
    board = Board(cold=True)
    host = board.host
    base = 0xC0004800 + 16 * 5
    host.write(base, 1 << 30 | 0x800)
    host.write(base + 4, 0)
    host.write(base + 8, 0)
    ring = board.ring(5)
    assert (ring.base, ring.size, len(ring)) == (0x800, 256, 0)
    window = 0xCB400000 + (5 << 2)
    assert host.read(window) == 0
    for value in range(1, 300):  # through the end of the ring and around
        host.write(window, value)
        if value > 10:
            assert host.read(window) == value - 10
    assert ring.contents == list(range(290, 300))
    assert host.read(base) == 1 << 30 | 0x800
    assert host.read(base + 4) == 4 * (289 % 256)
    assert host.read(base + 8) == 4 * (299 % 256)
    assert board.scratch[0x800 + 4 * (298 % 256)] == 299
    host.write(base + 8, 4 * (292 % 256))  # TAIL back: three longwords are left
    assert ring.contents == [290, 291, 292]
    assert (ring.get(), ring.get()) == (290, 291)
    ring.put(77)
    assert [host.read(window) for _ in range(3)] == [292, 77, 0]


def test_a_put_into_a_full_ring_is_a_fault() -> None:
    board = Board()
    board.ring(3, base=0, size=128, contents=range(1, 128))
    board.run(10)
    board.host.write(0xCB40000C, 128)
    with pytest.raises(ChipFault) as caught:
        board.host.write(0xCB40000C, 129)
    assert str(caught.value) == "chip a, cycle 9: put into a full ring"
    assert board.host.read(0xCB40000C) == 1  # it can still be looked at
    with pytest.raises(ChipFault):
        board.run(1)


def test_the_host_and_a_program_share_a_ring() -> None:
    """What the host puts in the last phase of T is there for a get served from T + 1 on."""
    board = Board(cold=False)
    board.ring(0, base=0, size=128)
    board.ring(1, base=512, size=128)
    board.load(
        0,
        """
        .reg read $x
        .reg write $y
        .reg v
        .sig s
        again#:
            scratch[get, $x, 0, 0, 1], ctx_swap[s]
            alu[v, --, b, $x]
            beq[again#]
            alu[$y, v, +, 1]
            scratch[put, $y, 0, 4, 1], ctx_swap[s]
            br[again#]
        """,
        contexts=[0],
    )
    for value in range(10, 20):
        board.ring(0).put(value)
        assert board.run_until(lambda b: len(b.ring(1)), limit=500)
        assert board.ring(1).get() == value + 1


def test_cap_csrs() -> None:
    board = Board()
    board.host.write(0xC0004900, 0x1234)
    board.host.write(0xC0004904, 0x5678)
    assert board.host.read(0xC0004900) == 0x1234 == int(board.chip["cap_csr"][0x4900 // 4])
    assert board.host.read(0xC00049FC) == 0


def test_pci_csrs() -> None:
    board = Board()
    board.host.write(0xDF000050, 0xCAFE)
    board.load(
        0,
        ".reg read $x\n.reg a\n.sig s\nimmed[a, 0x50]\npci[read, $x, a, 0, 1], ctx_swap[s]\nctx_arb[kill]\n",
        contexts=[0],
    )
    board.run(500)
    assert int(board.me[0].context(0)["$x"]) == 0xCAFE
    assert board.host.read(0xDF000050) == 0xCAFE


# --- control store and contexts -------------------------------------------------------------------------------------


def test_a_control_store_is_written_and_read_back() -> None:
    board = Board(cold=True)
    board.host.write(0xC0004A10, 0)
    words = assemble(".reg n\nimmed[n, 3]\nalu[n, n, +, 1]\nctx_arb[kill]\n").words
    store(board, 4, words, first=4090)
    board.host.write(csr(4, "USTORE_ADDRESS"), 1 << 31 | 4090)
    for word in words:
        assert board.host.read(csr(4, "USTORE_DATA_LOWER")) == word & 0xFFFFFFFF
        upper = board.host.read(csr(4, "USTORE_DATA_UPPER"))
        assert upper & 0xFF == word >> 32
        assert upper >> 8 == parity_of(word & 0xFFFFF) | parity_of(word >> 20) << 1
    assert board.host.read(csr(4, "USTORE_ADDRESS")) == 1 << 31 | 4090 + len(words)


@pytest.mark.parametrize("mode", [0, 1 << 31])
def test_contexts_run_from_the_cycle_behind_the_write(mode: int) -> None:
    board = Board(cold=True)
    words = assemble(".reg n\nalu[n, n, +, 1]\nctx_arb[kill]\n", contexts=4 if mode else 8)
    ready(board, 3)
    store(board, 3, words.words)
    board.run(50)
    assert board.me[3].cycles["executing"] == 0
    board.host.write(csr(3, "CTX_ENABLES"), mode | 0x0500)
    assert board.host.read(csr(3, "CTX_ENABLES")) == mode | 0x0500
    board.run(1)  # cycle 50
    assert board.me[3].cycles == {"executing": 1, "aborted": 0, "stalled": 0, "idle": 50}
    assert board.host.read(csr(3, "ACTIVE_CTX_STS")) == 1 << 31 | 3 << 3 | 0
    board.run(9)
    assert board.me[3].cycles["executing"] == 4
    assert board.host.read(csr(3, "ACTIVE_CTX_STS")) >> 31 == 0
    step = 2 if mode else 1
    register = words.registers["n"][0]
    file = board.me[3].gpr_a if register.file == "a" else board.me[3].gpr_b
    values = [int(file[16 * context + register.number]) for context in range(0, 8, step)]
    assert values == [1 if context in (0, 2) else 0 for context in range(0, 8, step)]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("flip", [0, 1, 2, 3])
def test_parity(checked: bool, flip: int) -> None:
    board = Board(cold=True)
    ready(board, 0)
    if checked:
        board.host.write(csr(0, "CTX_ENABLES"), 1 << 28)
    store(board, 0, [NOP, NOP, KILL], flip={1: flip})
    board.host.write(csr(0, "CTX_ENABLES"), checked << 28 | 1 << 8)
    if checked and flip:
        with pytest.raises(ChipFault, match="cycle 1: invalid instruction word"):
            board.run(20)
    else:
        board.run(20)
        assert board.me[0].cycles["executing"] == 3


def test_parity_counts_when_the_word_is_executed() -> None:
    board = Board(cold=True)
    ready(board, 0)
    store(board, 0, [NOP, KILL], flip={0: 2})
    board.host.write(csr(0, "USTORE_ADDRESS"), 1 << 31)
    board.host.read(csr(0, "USTORE_DATA_LOWER"))
    wrong = parity_of(NOP & 0xFFFFF) | parity_of(NOP >> 20) << 1 ^ 2
    assert board.host.read(csr(0, "USTORE_DATA_UPPER")) >> 8 == wrong
    state = board.save()
    board.host.write(csr(0, "CTX_ENABLES"), 1 << 8)
    board.run(10)
    board.restore(state)
    board.host.write(csr(0, "CTX_ENABLES"), 1 << 28 | 1 << 8)
    with pytest.raises(ChipFault):
        board.run(10)


def test_words_never_written_are_invalid() -> None:
    board = Board(cold=True)
    ready(board, 1)
    store(board, 1, [NOP])
    board.host.write(csr(1, "CTX_ENABLES"), 1 << 8)
    with pytest.raises(ChipFault, match="cycle 1: invalid instruction word, ME 0:1"):
        board.run(20)


def test_engines_with_one_program_have_stores_of_their_own() -> None:
    board = Board()
    program = assemble("again#:\nnop\nbr[again#]\n")
    for engine in (0, 1):
        board.load(engine, program, contexts=[0])
    board.run(40)
    store(board, 0, [HALT])
    with pytest.raises(ChipFault) as caught:
        board.run(10)
    assert caught.value.engine == 0


def test_reset_stops_an_engine_and_keeps_what_it_holds() -> None:
    board = Board()
    board.load("1:1", ".reg n\nagain#:\nalu[n, n, +, 1]\nbr[again#]\n", contexts=[0])
    board.host.write(csr(5, "CC_ENABLE"), 0x2000)
    board.run(400)
    count = board.me[5].context(0)["n"]
    assert count == 100
    board.host.write(0xC0004A10, 1 << 17)
    assert board.host.read(0xC0004A10) == 1 << 17
    board.run(100)
    board.host.write(csr(5, "CTX_ENABLES"), 0x100)  # in vain
    board.run(100)
    assert board.me[5].context(0)["n"] == count
    board.host.write(0xC0004A10, 0)
    assert board.host.read(csr(5, "CC_ENABLE")) == 0 == board.host.read(csr(5, "CTX_ENABLES"))
    board.run(100)
    assert board.me[5].context(0)["n"] == count
    assert sum(board.me[5].cycles.values()) == board.now
    board.host.write(csr(5, "CSR_CTX_POINTER"), 0)
    board.host.write(csr(5, "INDIRECT_CTX_STS"), 0)
    board.host.write(csr(5, "INDIRECT_CTX_SIG_EVENTS"), 1)
    board.host.write(csr(5, "INDIRECT_CTX_WAKEUP_EVENTS"), 1)
    board.host.write(csr(5, "CTX_ENABLES"), 0x100)
    board.run(40)
    assert board.me[5].context(0)["n"] == count + 10


def test_loading_takes_an_engine_out_of_reset() -> None:
    board = Board(cold=True)
    board.load("1:2", ".reg n\nagain#:\nalu[n, n, +, 1]\nbr[again#]\n", contexts=[2])
    assert board.host.read(0xC0004A10) == 0x000B_000F
    board.run(40)
    assert board.me["1:2"].context(2)["n"] == 10
    assert board.host.read(csr(6, "CTX_ENABLES")) == 0x400


def test_csrs_by_name() -> None:
    board = Board()
    csrs = board.me["0:2"].csr
    csrs["NN_PUT"] = 5
    csrs["active_lm_addr_0"] = 40
    assert board.host.read(csr(2, "NN_PUT")) == 5 == csrs["nn_put"]
    assert "TIMESTAMP_LOW" in list(csrs)
    with pytest.raises(InputError) as caught:
        csrs["NN_POT"]
    assert str(caught.value) == "CSR NN_POT: there is no such CSR of a microengine"


# --- media ----------------------------------------------------------------------------------------------------------


def test_a_cold_chip_receives_nothing() -> None:
    board = Board(ports=1, cold=True)
    board.feed(0, bytes(60))
    board.run(2_000)
    assert board.port(0).frames_in == 1  # in the MAC
    assert not board.chip["rbuf"].any() and board.chip["rx_spi_busy"] == 0
    board.host.write(0xC8000000, 0xF0000000)
    board.run(2_000)
    assert board.chip["rx_spi_busy"] == 0  # enabled, but without elements
    board.host.write(0xC8000044, 7)
    board.run(2_000)
    assert board.chip["channel"][0]["full_count"] == 1
    assert board.host.read(0xC8002000 + 64 * 7) == 0


def test_a_frame_sent_by_the_host_alone() -> None:
    """The host fills a TBUF element and its control words."""
    board = Board(ports=2, cold=True)
    data = bytes(range(64))
    board.host.write(0xC8000004, 0xF0000000)
    for word in range(16):
        board.host.write(0xC8002000 + 4 * word, int.from_bytes(data[4 * word : 4 * word + 4], "big"))
    assert board.host.read(0xC8000060) >> 31 == 1
    board.host.write(0xC8001800, 64 << 24 | 3 << 8 | 1)
    board.host.write(0xC8001804, 0)
    assert board.host.read(0xC8001800) == 64 << 24 | 3 << 8 | 1
    board.run(2_000)
    assert [(frame.port, frame.data) for frame in board.collect()] == [(1, data)]
    assert board.host.read(0xC8000060) == 1 << 31 | 1
    board.host.write(0xC0004A0C, 0x80)
    assert board.host.read(0xC8000060) == 1 << 31
    assert board.host.read(0xC8000004) == 0


def test_freeing_an_element_twice_is_a_fault() -> None:
    board = Board(cold=True)
    board.host.write(0xC8000044, 3)
    with pytest.raises(ChipFault) as caught:
        board.host.write(0xC8000044, 3)
    assert str(caught.value) == "chip a, cycle -1: RBUF element freed twice"


def test_host_media_writes_act_in_the_next_cycle() -> None:
    """A transfer that waits for an element starts in the cycle behind the write that frees one."""
    for write_at in (1_500, 1_501):
        board = Board(ports=1, cold=True)
        board.host.write(0xC8000000, 0xF0000000)
        board.feed(0, bytes(60))
        board.run(write_at)
        board.host.write(0xC8000044, 1)
        cycles = -(-(15 * 600_000) // 104_000)  # 15 longwords at 104 MHz
        board.run(cycles)  # from write_at on: the transfer ends cycles later, at write_at + cycles
        assert board.chip["channel"][0]["full_count"] == 0
        board.run(1)
        assert board.chip["channel"][0]["full_count"] == 1
