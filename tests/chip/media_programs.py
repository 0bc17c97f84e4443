"""Small receive and transmit programs with random delays, for any number of channels and size of elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.chip.one_chip import words_of

__all__ = ["Transmitter", "receiver"]


def _load(register: str, value: int) -> str:
    return f"    immed[{register}, {value & 0xFFFF}]\n    immed_w1[{register}, {value >> 16 & 0xFFFF}]\n"


_RANDOM = """
#macro random(out)
    local_csr_rd[pseudo_random_number]
    immed[out, 0]
#endm

// As many rounds of two cycles as the low bits of a number say.
#macro idle(in, MASK)
.reg rounds
    alu[rounds, MASK, AND, in]
    beq[over#]
again#:
    alu[rounds, rounds, -, 1]
    bgt[again#]
over#:
#endm
"""


def receiver(
    channel: int,
    *,
    seed: int,
    delay_mask: int = 0,
    element_bytes: int = 64,
    timeout: int | None = None,
    control: int | None = None,
) -> Sequence[int]:
    """Take mpackets of a channel, keep a sum over their statuses and first longwords, free the element after a while.

    Parameters:
        delay_mask: of the rounds for which an element is held; 2^n - 1 up to 255.
        timeout: written to RX_THREAD_FREELIST_TIMEOUT at the start, chassis cycles.
        control: written to RX_CONTROL at the start.
    """
    begin = ""
    for register, value in ((0x50 + 4 * channel, timeout), (0x00, control)):
        if value is not None:
            begin += _load("word", value) + "    alu[$word, --, B, word]\n"
            begin += f"    msf[write, $word, {register}, 0, 1], ctx_swap[written]\n"
    return words_of(
        _RANDOM
        + f"""
.reg entry context word element done sum nulls number at bases
.reg read $status[2], $data[2]
.reg write $word
.sig arrived, written, peeked
    local_csr_rd[active_ctx_sts]
    immed[word, 0]
    alu[context, 7, AND, word]
    alu_shf[entry, 0x1F, AND, word, >>3]
    alu_shf[entry, --, B, entry, <<7]
    alu_shf[entry, entry, OR, context, <<4]
    immed[word, ((&arrived << 12) | &$status[0])]
    alu[entry, entry, OR, word]
    alu_shf[entry, --, B, entry, <<16]
    alu[entry, entry, OR, {0x30 + 4 * channel}]
    immed[sum, {seed & 0xFFFF}]
    local_csr_wr[pseudo_random_number, sum]
    immed[nulls, 0]
    immed[bases, 0x2000]
    alu[--, --, B, context]
    bne[begun#]
{begin}
begun#:
    msf[fast_wr, --, entry, 0]
    ctx_arb[arrived]
    br_bset[$status[0], 11, null#]
    alu_shf[sum, --, B, sum, <<rot3]
    alu[sum, sum, XOR, $status[0]]
    alu[sum, sum, +, $status[1]]
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu_shf[at, --, B, element, <<{element_bytes.bit_length() - 1}]
    msf[read, $data[0], bases, at, 2], ctx_swap[peeked]
    alu[sum, sum, XOR, $data[0]]
    random(number)
    idle(number, {delay_mask})
    alu_shf[done, 0x44, OR, element, <<16]
    msf[fast_wr, --, done, 0]
    br[begun#]
null#:
    alu[nulls, nulls, +, 1]
    alu[sum, sum, +, $status[1]]
    br[begun#]
"""
    )


@dataclass(frozen=True)
class Transmitter:
    """Sends frames of random mpackets from a channel's elements, in order.

    Attributes:
        elements: of the channel's partition, a power of two.
        ports: first port, and how many of them (a power of two) take turns at random.
        destinations: least last byte of the destination address, and how many there are (a power of two).
        most_mpackets: of a frame.
        one_in: an mpacket ends its frame with a chance of one in so many, a power of two.
        short: mpackets of 1 byte and more, else of 61.
    """

    channel: int
    elements: range
    element_bytes: int
    ports: range
    seed: int
    delay_mask: int = 0
    destinations: range = range(1)
    most_mpackets: int = 4
    one_in: int = 2
    short: bool = True

    def words(self) -> Sequence[int]:
        size = len(self.elements)
        least = 1 if self.short else 61
        more = min(self.element_bytes, 128) - 1 if self.short else 3
        return words_of(
            _RANDOM
            + f"""
.reg taken sent number element at control count port left flags word used buffers controls sequence_at
.reg read $sequence
.reg write $data[2], $control[2]
.sig written, controlled, looked
{_load("word", self.seed | 1)}
    local_csr_wr[pseudo_random_number, word]
    immed[taken, 0]
    immed[sent, 0]
    immed[buffers, 0x2000]
    immed[controls, 0x1800]
    immed[sequence_at, {0x60 + 4 * self.channel}]
    immed[$control[1], 0]
frame#:
    random(number)
    immed[left, {self.most_mpackets}]
    immed[flags, 0x200]
    alu_shf[port, {len(self.ports) - 1}, AND, number, >>4]
    alu[port, port, +, {self.ports.start}]
mpacket#:
    alu[used, taken, -, sent]
    alu[used, used, AND, 0xFF]
    alu[--, used, -, {size}]
    bne[room#]
    msf[read, $sequence, sequence_at, 0, 1], ctx_swap[looked]
    alu[sent, --, B, $sequence]
    br[mpacket#]
room#:
    alu[element, {size - 1}, AND, taken]
    alu[element, element, +, {self.elements.start}]
    alu[taken, taken, +, 1]
    random(number)
    immed[word, 0x0200, <<16]
    alu[$data[0], --, B, word]
    alu_shf[word, {len(self.destinations) - 1}, AND, number, >>9]
    alu[word, word, +, {self.destinations.start}]
    alu_shf[word, --, B, word, <<16]
    alu_shf[count, 0xFF, AND, number, >>12]
    alu[$data[1], word, OR, count]
    alu_shf[at, --, B, element, <<{self.element_bytes.bit_length() - 1}]
    msf[write, $data[0], buffers, at, 2], ctx_swap[written]
    idle(number, {self.delay_mask})
    alu_shf[count, {more}, AND, number, >>20]
    alu[count, count, +, {least}]
    alu[control, port, OR, flags]
    alu_shf[control, control, OR, count, <<24]
    immed[flags, 0]
    alu[left, left, -, 1]
    beq[last#]
    alu_shf[--, {self.one_in - 1}, AND, number, >>16]
    beq[last#]
    alu[$control[0], --, B, control]
    alu_shf[at, --, B, element, <<3]
    msf[write, $control[0], controls, at, 2], ctx_swap[controlled]
    br[mpacket#]
last#:
    immed[word, 0x100]
    alu[control, control, OR, word]
    alu[$control[0], --, B, control]
    alu_shf[at, --, B, element, <<3]
    msf[write, $control[0], controls, at, 2], ctx_swap[controlled]
    br[frame#]
"""
        )
