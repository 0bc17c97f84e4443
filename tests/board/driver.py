"""A host driver for the test firmware: everything goes through reads and writes of the host's physical map.

It is written like a kernel driver for boards with this chip: registers by address, polling, an interrupt handler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from ixp_emu.board import Board

__all__ = ["Driver", "parity_of"]

ENGINE_IDS = (0x00, 0x01, 0x02, 0x03, 0x10, 0x11, 0x12, 0x13)

GLOBAL = 0xC000_4A00
MISC_CONTROL = GLOBAL + 0x04
RESET0 = GLOBAL + 0x0C
RESET1 = GLOBAL + 0x10

ENGINE_CSRS = 0xC001_8000
USTORE_ADDRESS = 0x000
USTORE_DATA_LOWER = 0x004
USTORE_DATA_UPPER = 0x008
CTX_ENABLES = 0x018
CC_ENABLE = 0x01C
CSR_CTX_POINTER = 0x020
INDIRECT_CTX_STS = 0x040
ACTIVE_CTX_STS = 0x044
INDIRECT_CTX_SIG_EVENTS = 0x048
INDIRECT_CTX_WAKEUP_EVENTS = 0x050
NN_PUT = 0x080
NN_GET = 0x084
T_INDEX_BYTE_INDEX = 0x0F4
LOCAL_CSR_STATUS = 0x180
CHECK_PARITY = 1 << 28

SCRATCH_RINGS = 0xC000_4800
RING_WINDOW = 0xCB40_0000
NEARLY_EMPTY_FLAG = 1 << 26

MSF = 0xC800_0000
RX_CONTROL = MSF + 0x00
TX_CONTROL = MSF + 0x04
RBUF_ELEMENT_DONE = MSF + 0x44
RX_MPHY_POLL_LIMIT = MSF + 0x48
TX_MPHY_POLL_LIMIT = MSF + 0x70
RX_UP_CONTROL = MSF + 0x80
TX_UP_CONTROL = MSF + 0x90
MPHY_32_POS = 1 << 19 | 1 << 18 | 1 << 17 | 1 << 16  # MPHY, 32 ports, polled status, full duplex; 1x32, 64 bytes
ENABLE_ALL = 0xF000_0000
ERRATUM_ELEMENTS = (0, 9, 18, 27)

INTERRUPT_RAW_A = 0xD600_0060
INTERRUPT_STATUS_A = 0xD600_00E0
INTERRUPT_ENABLE_SET_A = 0xD600_0160
INTERRUPT_ENABLE_CLEAR_A = 0xD600_01E0

SRAM = 0x8000_0000
NOP = 0xF000_0C03_00
KILL = 0xE000_0100_00
TRIES = 10_000
SETTLE = 1_000
"""Cycles after a reset in which commands that were under way come back; on a board the accesses alone take longer."""


def parity_of(bits: int) -> int:
    """1 if an odd number of bits is set."""
    parity = 0
    while bits:
        parity ^= bits & 1
        bits >>= 1
    return parity


def _set_register(bank: str, number: int, value: int) -> list[int]:
    """immed and immed_w1 on an absolute general register, destination on its bank's port."""

    def word(half: int, kind: int, position: int) -> int:
        fixed = 0b11110 << 35 | position << 33 | kind << 29 | (half >> 8) << 20
        low, register = 0x300 | half & 0xFF, 0x80 | number
        return fixed | (low << 10 | register if bank == "a" else register << 10 | low)

    return [word(value & 0xFFFF, 0, 0), word(value >> 16, 2, 2)]


class Driver:
    """The driver of one board.

    Attributes:
        received: (port, bytes) of packets, in the order of the done ring.
        sent: descriptors that transmit gave back, in order.
    """

    BUFFERS = 0x0010_0000  # DRAM
    BUFFER_BYTES = 2048
    RX_DESCRIPTORS = 0x1000  # SRAM
    TX_DESCRIPTORS = 0x3000
    RX_PENDING, RX_DONE, TX_PENDING, TX_DONE = range(4)

    def __init__(self, board: Board, *, rx_buffers: int = 32, tx_buffers: int = 16) -> None:
        self.board = board
        self.rx_buffers = rx_buffers
        self.received: list[tuple[int, bytes]] = []
        self.sent: list[int] = []
        self._free_tx = deque(range(tx_buffers))
        self.read, self.write = board.host.read, board.host.write

    # --- microengines -------------------------------------------------------------------------------------------------

    def csr_write(self, engine: int, csr: int, value: int) -> None:
        self.write(ENGINE_CSRS + (ENGINE_IDS[engine] << 10) + csr, value)
        assert self.read(ENGINE_CSRS + (ENGINE_IDS[engine] << 10) + LOCAL_CSR_STATUS) & 1 == 0

    def csr_read(self, engine: int, csr: int) -> int:
        return self.read(ENGINE_CSRS + (ENGINE_IDS[engine] << 10) + csr)

    def reset_engines(self, mask: int = 0x000F_000F) -> None:
        held = self.read(RESET1)
        self.write(RESET1, held | mask)
        self.write(RESET1, held & ~mask & 0xFFFF_FFFF)
        self.board.run(SETTLE)

    def start_timestamps(self) -> None:
        value = self.read(MISC_CONTROL)
        self.write(MISC_CONTROL, value & ~0x80)
        self.write(MISC_CONTROL, value | 0x80)

    def load_words(self, engine: int, image: bytes) -> None:
        """Write a raw image, 5 bytes a word, with parity; four nops behind it."""
        image += NOP.to_bytes(5, "big") * 4
        self.csr_write(engine, USTORE_ADDRESS, 0x8000_0000)
        for at in range(0, len(image), 5):
            upper, lower = image[at], int.from_bytes(image[at + 1 : at + 5], "big")
            word = upper << 32 | lower
            parity = parity_of(word >> 20) << 1 | parity_of(word & 0xF_FFFF)
            self.csr_write(engine, USTORE_DATA_LOWER, lower)
            self.csr_write(engine, USTORE_DATA_UPPER, parity << 8 | upper)
        self.csr_write(engine, USTORE_ADDRESS, 0)

    def load_engine(
        self, engine: int, image: bytes, *, registers: Mapping[tuple[str, int], int] | None = None, mode: int = 0
    ) -> None:
        """Load an image into an ME that was reset; first set general registers, (bank, absolute number) -> value."""
        if registers:
            stub = [word for (bank, number), value in registers.items() for word in _set_register(bank, number, value)]
            self._load(engine, b"".join(word.to_bytes(5, "big") for word in [*stub, KILL]), mode)
            self.start_contexts(engine, 1)
            for _ in range(TRIES):
                self.board.run(1)  # an access takes no time: the contexts start with the next cycle
                if not self.csr_read(engine, ACTIVE_CTX_STS) >> 31:
                    break
            else:
                raise TimeoutError(f"ME {engine} still runs")
            self.stop_contexts(engine, 0xFF)
        self._load(engine, image, mode)

    def _load(self, engine: int, image: bytes, mode: int) -> None:
        self.csr_write(engine, CTX_ENABLES, mode | CHECK_PARITY)
        self.csr_write(engine, CC_ENABLE, 0x2000)
        self.csr_write(engine, NN_PUT, 0)
        self.csr_write(engine, NN_GET, 0)
        self.csr_write(engine, T_INDEX_BYTE_INDEX, 0)
        self.load_words(engine, image)
        for context in range(8):
            self.csr_write(engine, CSR_CTX_POINTER, context)
            self.csr_write(engine, INDIRECT_CTX_SIG_EVENTS, 1)
            self.csr_write(engine, INDIRECT_CTX_WAKEUP_EVENTS, 1)
            self.csr_write(engine, INDIRECT_CTX_STS, 0)

    def start_contexts(self, engine: int, mask: int) -> None:
        self.csr_write(engine, CTX_ENABLES, self.csr_read(engine, CTX_ENABLES) | mask << 8)

    def stop_contexts(self, engine: int, mask: int) -> None:
        self.csr_write(engine, CTX_ENABLES, self.csr_read(engine, CTX_ENABLES) & ~(mask << 8))

    # --- rings and media ----------------------------------------------------------------------------------------------

    def set_up_ring(self, ring: int, base: int, *, size_code: int = 0, flag_empty: bool = False) -> None:
        csrs = SCRATCH_RINGS + 16 * ring
        self.write(csrs, size_code << 30 | (NEARLY_EMPTY_FLAG if flag_empty else 0) | base)
        self.write(csrs + 4, 0)
        self.write(csrs + 8, 0)

    def get(self, ring: int) -> int:
        return self.read(RING_WINDOW + (ring << 2))

    def put(self, ring: int, value: int) -> None:
        self.write(RING_WINDOW + (ring << 2), value)

    def init_media(self, ports: int) -> None:
        value = self.read(RESET0)
        self.write(RESET0, value | 0x80)
        self.write(RESET0, value & ~0x80)
        self.write(RX_MPHY_POLL_LIMIT, ports - 1)
        self.write(RX_CONTROL, MPHY_32_POS)
        for channel in range(4):
            self.write(RX_UP_CONTROL + 4 * channel, 0x30)
        for element in range(128):
            if element not in ERRATUM_ELEMENTS:
                self.write(RBUF_ELEMENT_DONE, element)
        self.write(TX_MPHY_POLL_LIMIT, ports - 1)
        self.write(TX_CONTROL, MPHY_32_POS)
        for channel in range(4):
            self.write(TX_UP_CONTROL + 4 * channel, 0x30)
        for control in (RX_CONTROL, TX_CONTROL):
            self.write(control, self.read(control) & 0x0FFF_FFFF | ENABLE_ALL)

    # --- packets ------------------------------------------------------------------------------------------------------

    def start(
        self,
        *,
        receive: bytes,
        transmit: bytes,
        registers: Mapping[str, Mapping[tuple[str, int], int]],
        ports: int,
        engines: Sequence[int] = (0, 4),
    ) -> None:
        """Bring everything up: both firmwares, rings, buffers, media, interrupts."""
        self.reset_engines()
        self.start_timestamps()
        for ring in range(4):
            self.set_up_ring(ring, 512 * ring)
        for index in range(self.rx_buffers):
            descriptor = self.RX_DESCRIPTORS + 16 * index
            self.write(SRAM + descriptor, self.BUFFERS + self.BUFFER_BYTES * index)
            self.write(SRAM + descriptor + 4, self.BUFFER_BYTES)
            self.put(self.RX_PENDING, descriptor)
        self.init_media(ports)
        for engine, name, image in zip(engines, ("receive", "transmit"), (receive, transmit), strict=True):
            self.load_engine(engine, image, registers=registers[name])
        for cluster in (0, 4):
            self.write(INTERRUPT_ENABLE_SET_A + cluster, 0xFFFF_FFFF)
        for engine in engines:
            self.start_contexts(engine, 0xFF)

    def interrupted(self, _: Board | None = None) -> bool:
        return any(self.read(INTERRUPT_STATUS_A + cluster) for cluster in (0, 4))

    def handle_interrupt(self) -> None:
        """Clear the bits first, then empty the done rings, so that nothing is missed."""
        for cluster in (0, 4):
            self.write(INTERRUPT_RAW_A + cluster, self.read(INTERRUPT_STATUS_A + cluster))
        while descriptor := self.get(self.RX_DONE):
            self._received(descriptor)
        while descriptor := self.get(self.TX_DONE):
            self.sent.append(descriptor)
            self._free_tx.append((descriptor - self.TX_DESCRIPTORS) // 16)

    def _received(self, descriptor: int) -> None:
        buffer, _, port, length = (self.read(SRAM + descriptor + 4 * word) for word in range(4))
        self.received.append((port, self.board.host.read_bytes(buffer, length)))
        self.put(self.RX_PENDING, descriptor)

    def send(self, port: int, packet: bytes) -> bool:
        """Queue a packet; False if no buffer is free."""
        if not self._free_tx:
            return False
        index = self._free_tx.popleft()
        descriptor = self.TX_DESCRIPTORS + 16 * index
        buffer = self.BUFFERS + self.BUFFER_BYTES * (self.rx_buffers + index)
        self.board.host.write_bytes(buffer, packet)
        for word, value in enumerate((buffer, self.BUFFER_BYTES, port, len(packet))):
            self.write(SRAM + descriptor + 4 * word, value)
        self.put(self.TX_PENDING, descriptor)
        return True
