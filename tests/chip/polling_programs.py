"""Random programs that wait for work in all the ways there are, and a few that now and then give some."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["polling_chip"]

_RINGS = 4


def _pad(pattern: random.Random) -> str:
    return "nop\n" * pattern.choice((0, 0, 1, 2, 5, 11))


def _get(pattern: random.Random) -> str:
    ring, words = pattern.randrange(_RINGS), pattern.choice((1, 1, 2))
    reads = "alu[n, n, +, $w0]\n" + f"alu[*l$index0, *l$index0, +, {pattern.randrange(1, 9)}]\n"
    return (
        f"scratch[get, $w0, {ring << 2}, 0, {words}], ctx_swap[s]\n{_pad(pattern)}"
        f"alu[--, --, B, $w0]\nbeq[again#]\n{reads}"
    )


def _read(pattern: random.Random) -> str:
    memory = pattern.choice(("scratch", "sram", "dram"))
    address, swaps = 8 * pattern.randrange(40), pattern.random() < 0.7
    register = "$$d0" if memory == "dram" else "$w0"
    line = f"immed[p, {address}]\n{memory}[read, {register}, p, 0, {pattern.choice((1, 2))}], "
    return line + ("ctx_swap[s]\n" if swaps else f"sig_done[s]\n{_pad(pattern)}ctx_arb[s]\n") + _pad(pattern)


def _write(pattern: random.Random) -> str:
    memory = pattern.choice(("scratch", "scratch", "sram", "dram"))
    register = "$$d0" if memory == "dram" else "$w0"
    place = 0x2000 + 8 * pattern.randrange(8)
    return f"immed[p, {place}]\n{memory}[write, {register}, p, 0, 1], ctx_swap[s]\n{_pad(pattern)}"


def _atomic(pattern: random.Random) -> str:
    operation = pattern.choice(("set", "clr", "incr"))
    if operation == "incr":
        return f"immed[p, 0x3000]\nscratch[incr, --, p, 0]\n{_pad(pattern)}nop\nnop\nctx_arb[voluntary]\n"
    return f"immed[p, 0x3010]\nscratch[{operation}, $w0, p, 0], ctx_swap[s]\n{_pad(pattern)}"


def _flag(pattern: random.Random) -> str:
    name = pattern.choice(("br_inp_state", "br_!inp_state"))
    branch = f"{_pad(pattern)}{name}[SCR_RING{pattern.randrange(_RINGS)}_STATUS, again#]\n"
    return f"{branch}{_pad(pattern)}ctx_arb[voluntary]\n"


def _neighbour(pattern: random.Random) -> str:
    return f"{_pad(pattern)}br_inp_state[NN_EMPTY, again#]\nalu[n, n, +, *n$index++]\n"


def _send(pattern: random.Random) -> str:
    return f"alu[*n$index++, n, +, 1]\n{_pad(pattern)}nop\nnop\nctx_arb[voluntary]\n"


def _pass_on(pattern: random.Random) -> str:
    """Contexts signal the next one, or the next ME; the signal is number 14."""
    name = pattern.choice(("SAME_ME_SIGNAL", "NEXT_NEIGHBOR_SIGNAL", "PREV_NEIGHBOR_SIGNAL"))
    wait = pattern.choice(("br_!signal[token, again#]\n", "ctx_arb[voluntary]\n", ""))
    return f"local_csr_wr[{name}, {0x80 | 14 << 3}]\n{_pad(pattern)}nop\nnop\n{wait}ctx_arb[voluntary]\n"


def _clock(pattern: random.Random) -> str:
    """Something that goes by absolute time, whose traces are wiped out."""
    bit, name = pattern.randrange(4, 12), pattern.choice(("TIMESTAMP_LOW", "PROFILE_COUNT"))
    return (
        f"local_csr_rd[{name}]\nimmed[t, 0]\nbr_bset[t, {bit}, skip#]\nnop\nnop\nnop\nskip#:\nimmed[t, 0]\n"
        "local_csr_rd[CC_ENABLE]\nimmed[t, 0]\nctx_arb[voluntary]\n"
    )


def _timer(pattern: random.Random) -> str:
    """Sleeps; then gives work, or only counts."""
    ticks = pattern.choice((20, 100, 255, 255))
    work = pattern.choice((f"scratch[put, $w0, {pattern.randrange(_RINGS) << 2}, 0, 1]\n", "", ""))
    return (
        f"alu[t, t, +, {ticks}]\n" * pattern.choice((1, 4))
        + "local_csr_wr[ACTIVE_FUTURE_COUNT_SIGNAL, 13]\nlocal_csr_wr[ACTIVE_CTX_FUTURE_COUNT, t]\nctx_arb[alarm]\n"
        + work
    )


def _sleep(pattern: random.Random) -> str:
    return "ctx_arb[alarm]\n"


def _spin(pattern: random.Random) -> str:
    return _pad(pattern) + pattern.choice(("", "ctx_arb[voluntary]\n"))


_KINDS: dict[Callable[[random.Random], str], int] = {
    _get: 14,
    _read: 6,
    _write: 1,
    _atomic: 1,
    _flag: 3,
    _neighbour: 2,
    _send: 1,
    _pass_on: 2,
    _clock: 1,
    _timer: 3,
    _sleep: 3,
    _spin: 1,
}


def _program(pattern: random.Random) -> str:
    """Some contexts do one thing, the others another."""
    first, second = pattern.choices(list(_KINDS), weights=list(_KINDS.values()), k=2)
    head = ".reg n t p $w0 $w1 $$d0 $$d1 $$d2 $$d3\n.xfer_order $w0 $w1\n.xfer_order $$d0 $$d1 $$d2 $$d3\n"
    head += ".sig s token alarm\n.addr s 2\n.addr token 14\n.addr alarm 13\n"
    head += f"immed[$w0, {pattern.randrange(1, 200)}]\nimmed[$w1, 7]\nimmed[$$d0, 5]\nimmed[$$d1, 9]\n"
    bodies = [head, f"br=ctx[{pattern.randrange(8)}, other#]\n"]
    for number, kind in enumerate((first, second)):
        body = f"{'other#:' if number else ''}\nagain#:\n{kind(pattern)}br[again#]\n"
        bodies.append(body.replace("again#", f"again{number}#").replace("skip#", f"skip{number}#"))
    return "".join(bodies)


def polling_chip(seed: int) -> tuple[dict[int, str], int, dict[int, dict[str, int]]]:
    """Programs by ME, mask of contexts, and rings; the same for a seed."""
    pattern = random.Random(seed)
    engines = pattern.sample(range(8), pattern.choice((1, 1, 2, 3, 5, 8)))
    contexts = pattern.choice((1, 1, 2, 3, 0x0F, 0xFF, 0x81))
    rings = {ring: {"base": 0x200 * ring, "size": 128, "flag_empty": pattern.random() < 0.5} for ring in range(_RINGS)}
    shared = [_program(pattern) for _ in range(2)]
    programs = {engine: pattern.choice((*shared, _program(pattern))) for engine in engines}
    return programs, contexts, rings
