"""General registers: random programs are run twice, once with named registers and once from their words.

The oracle knows nothing of live ranges: it executes the source over a dictionary of names and the words over a
dictionary of hardware registers, along the same path, and compares every value read. A value lost because two names
shared a register shows as a difference. That a word's two general sources lie in different banks is in its encoding:
each port names registers of its own bank only, so the decoded operands are the ones that are really read.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ixp_emu import isa
from ixp_emu.assembler import Program, assemble, parse


@dataclass(frozen=True)
class Line:
    """One source line of a random program: what it reads and writes by name, and where it may go."""

    text: str
    reads: tuple[str, ...] = ()
    writes: str | None = None
    keeps_part: bool = False
    target: int | None = None
    always: bool = False
    defer: int = 0


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[str], list[Line]]:
    """Names, and lines that use an even and an odd name as a pair of sources, so that two banks always suffice."""
    count = draw(st.integers(2, 24))
    names = [f"r{number}" for number in range(count)]
    evens, odds = names[0::2], names[1::2]
    length = draw(st.integers(3, 40))
    any_name = st.sampled_from(names)
    lines: list[Line] = []
    shadow = 0
    for _ in range(length):
        kind = draw(st.sampled_from(["set", "move", "add", "add", "insert", "compare", "branch", "jump"]))
        if shadow and kind in ("branch", "jump"):
            kind = "move"
        shadow = max(0, shadow - 1)
        one, dst = draw(any_name), draw(any_name)
        pair = [draw(st.sampled_from(evens)), draw(st.sampled_from(odds))]
        if draw(st.booleans()):
            pair.reverse()
        target = draw(st.integers(0, length - 1))
        if kind == "set":
            lines.append(Line(f"immed[{dst}, {len(lines)}]", (), dst))
        elif kind == "move":
            lines.append(Line(f"alu[{dst}, --, B, {one}]", (one,), dst))
        elif kind == "add":
            lines.append(Line(f"alu[{dst}, {pair[0]}, +, {pair[1]}]", tuple(pair), dst))
        elif kind == "insert":
            lines.append(Line(f"ld_field[{pair[0]}, 0011, {pair[1]}]", tuple(pair), pair[0], keeps_part=True))
        elif kind == "compare":
            lines.append(Line(f"alu[--, {pair[0]}, -, {pair[1]}]", tuple(pair)))
        else:
            shadow = draw(st.integers(0, min(2, length - 1 - len(lines))))
            always = kind == "jump"
            token = f", defer[{shadow}]" if shadow else ""
            mnemonic = "br" if always else "beq"
            lines.append(Line(f"{mnemonic}[l{target}#]{token}", target=target, always=always, defer=shadow))
    return names, lines


def source_text(names: list[str], lines: list[Line], *, initialised: bool) -> str:
    head = [f".reg {' '.join(names)}"]
    head += [f"immed[{name}, 7]" for name in names] if initialised else []
    return "\n".join([*head, *(f"l{number}#: {line.text}" for number, line in enumerate(lines)), "halt"]) + "\n"


def check_run(lines: list[Line], words: list[int], start: dict[str, object], skip: int, seed: int) -> int:
    """Follows one path for a while; returns the number of values compared."""
    chance = random.Random(seed)
    by_name: dict[str, object] = dict(start)
    by_register: dict[tuple[object, object], object] = {}
    decoded = [isa.decode(word) for word in words]
    for position in range(skip):
        written = [use.register for use in decoded[position].destinations()]
        by_register[written[0].bank, written[0].number] = ("start", position)
    compared = 0
    position, pending, target = 0, -1, 0
    for step in range(300):
        if position >= len(lines):
            break
        line, instruction = lines[position], decoded[skip + position]
        sources = {use.role: use.register for use in instruction.sources()}
        registers = [r for r in sources.values() if r.kind is isa.RegisterKind.GPR]
        assert len(registers) == len(line.reads)
        if len(registers) == 2:
            assert registers[0].bank is not registers[1].bank
        order = line.reads if registers else ()
        found = [by_register.get((r.bank, r.number)) for r in registers]
        expected = [by_name.get(name) for name in order]
        for name, got, want in zip(order, found, expected, strict=True):
            if want is not None:
                assert got == want, f"step {step}, line {position}: {line.text}: {name} is {got}, should be {want}"
                compared += 1
        if line.writes is not None:
            value = ("value", step)
            if line.keeps_part:
                assert instruction.destinations()[0].register == sources["dst"]
            register = instruction.destinations()[0].register
            by_name[line.writes] = value
            by_register[register.bank, register.number] = value
        if line.target is not None and (line.always or chance.random() < 0.5):
            pending, target = position + line.defer, line.target
        position, pending = (target, -1) if position == pending else (position + 1, pending)
    return compared


@given(programs(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_values_survive_along_every_path(case: tuple[list[str], list[Line]], initialised: bool) -> None:
    names, lines = case
    program = assemble(parse(source_text(names, lines, initialised=initialised)))
    skip = len(names) if initialised else 0
    assert len(program.words) == skip + len(lines) + 1
    start: dict[str, object] = {name: ("start", number) for number, name in enumerate(names)} if initialised else {}
    for seed in range(4):
        check_run(lines, program.words, start, skip, seed)


def test_the_oracle_sees_a_shared_register() -> None:
    """Two names live together in one register are a difference the run notices."""
    lines = [Line("alu[r0, r0, +, r1]", ("r0", "r1"), "r0"), Line("alu[r1, r0, +, r1]", ("r0", "r1"), "r1")]
    words = assemble(parse(source_text(["r0", "r1"], lines, initialised=True))).words
    start: dict[str, object] = {"r0": ("start", 0), "r1": ("start", 1)}
    assert check_run(lines, words, start, 2, 0) == 4
    exchanged = source_text(["r0", "r1"], [lines[0], Line("alu[r1, r1, +, r0]")], initialised=True)
    with pytest.raises(AssertionError, match="should be"):
        check_run(lines, assemble(parse(exchanged)).words, start, 2, 0)


def many(count: int, *, contexts: int = 8) -> str:
    """A program in which ``count`` registers are live at once."""
    names = [f"r{number}" for number in range(count)]
    lines = [f".num_contexts {contexts}", f".reg {' '.join(names)}", *(f"immed[{name}, 1]" for name in names)]
    lines += [f"alu[--, --, B, {name}]" for name in names]
    return "\n".join(lines)


@pytest.mark.parametrize(("contexts", "available"), [(8, 32), (4, 64)])
def test_all_registers_of_a_context_can_be_live(
    assembled: Callable[..., Program], refused: Callable[..., str], contexts: int, available: int
) -> None:
    program = assembled(many(available, contexts=contexts))
    assert program.usage["a"] == program.usage["b"] == available // 2
    # Two lines of declarations; each register is set on one line and used as many lines later as there are registers.
    lives = ", ".join(f"r{number} (t.uc:{3 + number}-{4 + number + available})" for number in range(available + 1))
    # The last one to be set completes the crowd.
    assert refused(many(available + 1, contexts=contexts)) == (
        f"t.uc:{available + 3}: {available + 1} general registers are live at once, {available} available: {lives}"
    )


@pytest.mark.parametrize(("contexts", "per_bank"), [(8, 16), (4, 32)])
@pytest.mark.parametrize("absolute", [1, 2])
def test_absolute_registers_leave_fewer_for_a_context(
    assembled: Callable[..., Program], refused: Callable[..., str], contexts: int, per_bank: int, absolute: int
) -> None:
    """As many absolute registers of one bank as there are contexts take one number of it in every context."""
    hub = "".join(f"alu[--, hub, +, @g{number}]\n" for number in range(absolute * contexts))
    shared = f".reg hub {' '.join(f'@g{number}' for number in range(absolute * contexts))}\n.set hub\n{hub}"
    available = 2 * per_bank - absolute
    assert assembled(shared + many(available, contexts=contexts)).usage["words"] == absolute * contexts + 2 * available
    message = refused(shared + many(available + 1, contexts=contexts))
    first = 3 + absolute * contexts  # line of .num_contexts in the longer text
    assert message.startswith(
        f"t.uc:{first + 2 + available}: {available + 1} general registers are live at once, {available} available "
        f"beside {absolute} for absolute registers: r0 (t.uc:{first + 2}-{first + 3 + available}), "
    )


def test_a_bank_that_overflows_is_named(refused: Callable[..., str]) -> None:
    """One register opposed to 17 others forces those 17 into one bank."""
    names = [f"r{number}" for number in range(17)]
    text = [f".reg hub {' '.join(names)}", *(f"immed[{name}, 1]" for name in (*names, "hub"))]
    text += [f"alu[--, hub, +, {name}]" for name in names]
    lives = ", ".join(f"r{number} (t.uc:{2 + number}-{20 + number})" for number in range(17))
    message = refused("\n".join(text))
    bank = message.split("bank ")[1][0]
    assert bank in "AB"
    assert message == (f"t.uc:18: 17 general registers of bank {bank} are live at once, 16 available: {lives}")


def test_lives_end_at_the_last_use_and_count_lines_outside_macros(refused: Callable[..., str]) -> None:
    text = ["#macro late(x)", "alu[--, --, B, x]", "#endm", f".reg {' '.join(f'r{n}' for n in range(33))}"]
    text += [f"immed[r{number}, 1]" for number in range(33)]
    text += [f"late(r{number})" for number in range(33)]
    message = refused("\n".join(text))
    assert message.startswith("t.uc:37: 33 general registers are live at once, 32 available: r0 (t.uc:5-38), ")
    assert message.endswith(", r32 (t.uc:37-70)")


def test_sixteen_opposed_to_one_fit(assembled: Callable[..., Program]) -> None:
    names = [f"r{number}" for number in range(16)]
    text = [f".reg hub {' '.join(names)}", *(f"immed[{name}, 1]" for name in (*names, "hub"))]
    text += [f"alu[--, hub, +, {name}]" for name in names]
    usage = assembled("\n".join(text)).usage
    assert sorted((usage["a"], usage["b"])) == [1, 16]


def test_an_odd_cycle_of_banks_is_explained(refused: Callable[..., str]) -> None:
    text = ".reg a b c\nimmed[a, 1]\nimmed[b, 1]\nimmed[c, 1]\nalu[--, a, +, b]\nalu[--, b, +, c]\nalu[--, c, +, a]"
    assert refused(text) == (
        "t.uc:6: bank conflict: two sources of one instruction need different banks, but 'b' and 'a' (line 5), "
        "'a' and 'c' (line 7), 'c' and 'b' (line 6) form an odd cycle"
    )


def test_an_even_cycle_of_banks_is_fine(assembled: Callable[..., Program]) -> None:
    pairs = ["a b", "b c", "c d", "d a"]
    text = [".reg a b c d", *(f"immed[{name}, 1]" for name in "abcd")]
    text += [f"alu[--, {pair.split()[0]}, +, {pair.split()[1]}]" for pair in pairs]
    registers = assembled("\n".join(text)).registers
    assert registers["a"][0].file == registers["c"][0].file != registers["b"][0].file == registers["d"][0].file


def test_a_register_on_both_ports_is_refused(refused: Callable[..., str]) -> None:
    assert refused(".reg a\nimmed[a, 1]\nalu[a, a, +, a]") == (
        "t.uc:3: register 'a' cannot be both sources: they come from different banks"
    )


def test_webs_of_one_name_may_lie_in_different_banks(assembled: Callable[..., Program]) -> None:
    """As one live range the name would be in an odd cycle; its two lives are independent."""
    text = """.reg x a b
    immed[a, 1]
    immed[b, 1]
    immed[x, 1]
    alu[--, a, +, b]
    alu[--, a, +, x]
    immed[x, 2]
    alu[--, b, +, x]"""
    assert {register.file for register in assembled(text).registers["x"]} == {"a", "b"}


def test_dead_results_do_not_destroy_live_registers(assembled: Callable[..., Program]) -> None:
    program = assembled(".reg a b\nimmed[a, 1]\nimmed[b, 2]\nalu[--, --, B, a]")
    assert program.registers["a"] != program.registers["b"]


def test_registers_are_reused_after_their_last_use(assembled: Callable[..., Program]) -> None:
    text = "\n".join(f".begin\n.reg t\nimmed[t, {n}]\nalu[--, --, B, t]\n.end" for n in range(40))
    usage = assembled(text).usage
    assert usage["a"] + usage["b"] == 1


def test_global_registers_are_never_shared(assembled: Callable[..., Program]) -> None:
    text = ".reg global g\n.reg t\nimmed[g, 1]\nalu[--, --, B, g]\nimmed[t, 1]\nalu[--, --, B, t]"
    program = assembled(text)
    assert not set(program.registers["g"]) & set(program.registers["t"])
    plain = assembled(text.replace("global ", ""))
    assert plain.registers["g"] == plain.registers["t"]


def test_absolute_registers_take_register_zero_of_successive_contexts(assembled: Callable[..., Program]) -> None:
    """isa.md 2.1: real firmware has absolute 0, 16, 32, ... and every relative name from 1 on."""
    names = [f"@g{number}" for number in range(5)]
    text = [f".reg {' '.join(names)} hub other", "immed[hub, 1]", "immed[other, 1]"]
    text += [f"alu[--, hub, +, {name}]" for name in (*names, "other")]
    program = assembled("\n".join(text))
    bank = program.registers["other"][0].file
    assert {program.registers[name][0].file for name in names} == {f"@{bank}"}
    assert sorted(program.registers[name][0].number for name in names) == [0, 16, 32, 48, 64]
    assert program.registers["other"][0].number == 1
    assert program.registers["hub"][0].number == 0


def test_absolute_registers_with_four_contexts(assembled: Callable[..., Program]) -> None:
    program = assembled(".num_contexts 4\n.reg @a @b\nimmed[@a, 1]\nimmed[@b, 1]")
    found = sorted((r.file, r.number) for name in ("@a", "@b") for r in program.registers[name])
    assert found in ([("@a", 0), ("@a", 32)], [("@b", 0), ("@b", 32)], [("@a", 0), ("@b", 0)])


def test_the_ninth_absolute_register_takes_a_second_slot(assembled: Callable[..., Program]) -> None:
    names = [f"@g{number}" for number in range(9)]
    text = [f".reg hub {' '.join(names)}", "immed[hub, 1]", *(f"alu[--, hub, +, {name}]" for name in names)]
    program = assembled("\n".join(text))
    numbers = sorted(program.registers[name][0].number for name in names)
    assert numbers == sorted([*range(0, 128, 16), 1])


def test_manual_registers(assembled: Callable[..., Program], refused: Callable[..., str]) -> None:
    program = assembled(".areg x 3\n.breg y 15\n.reg z\n.addr z 7 b\nimmed[x, 1]\nimmed[y, 1]\nimmed[z, 1]")
    assert [str(program.registers[name][0]) for name in "xyz"] == ["a3", "b15", "b7"]
    assert refused(".areg x 16\nimmed[x, 1]") == "t.uc:1: register 'x': number 16: must be 0..15"
    assert refused(".areg x 3\n.areg y 3\nimmed[x, 1]\nimmed[y, 1]\nalu[--, --, B, x]\nalu[--, --, B, y]") == (
        "t.uc:4: 'y' and 'x' are live together and both given a3"
    )
    assert refused(".areg x 3\n.areg y 4\nimmed[x, 1]\nimmed[y, 1]\nalu[--, x, +, y]") == (
        "t.uc:3: bank conflict: the banks given to 'x', 'y' do not fit their common use"
    )
    assert refused(".reg x\n.addr x 3\nimmed[x, 1]") == "t.uc:2: .addr 'x': a general register needs its bank, a or b"


def test_use_before_set_is_a_warning(assembled: Callable[..., Program]) -> None:
    text = ".reg a b\nalu[b, a, +, 1]\nalu[--, --, B, b]"
    assert assembled(text).warnings == ["t.uc:2: register 'a' is used before it is set"]
    assert assembled(text.replace("\nalu[b", "\n.set a\nalu[b")).warnings == []


def test_set_on_one_path_only_is_a_warning(assembled: Callable[..., Program]) -> None:
    text = ".reg a\nbr=ctx[0, skip#]\nimmed[a, 1]\nskip#: alu[--, --, B, a]"
    assert assembled(text).warnings == ["t.uc:4: register 'a' may be used before it is set"]


def test_one_warning_per_register(assembled: Callable[..., Program]) -> None:
    assert len(assembled(".reg a\nalu[--, --, B, a]\nalu[--, --, B, a]").warnings) == 1


def test_use_keeps_a_register_alive(assembled: Callable[..., Program]) -> None:
    text = ".reg a b\nimmed[a, 1]\nimmed[b, 2]\nalu[--, --, B, b]"
    assert assembled(text + "\nnop").registers["a"] != []
    kept = assembled(text + "\n.use a\nnop")
    assert kept.registers["a"] != kept.registers["b"]


def test_rtn_may_return_to_every_loaded_address(assembled: Callable[..., Program]) -> None:
    """What the caller needs after the call stays alive through the subroutine."""
    text = """.reg keep link t
    immed[keep, 1]
    load_addr[link, back#]
    br[sub#]
back#: alu[--, --, B, keep]
    halt
sub#: immed[t, 5]
    alu[--, --, B, t]
    rtn[link]"""
    program = assembled(text)
    assert not set(program.registers["t"]) & set(program.registers["keep"] + program.registers["link"])


def test_jump_follows_its_targets(assembled: Callable[..., Program]) -> None:
    text = """.reg i x y
    immed[i, 0]
    immed[x, 1]
    jump[i, table#], targets[one#, two#]
table#: br[one#]
    br[two#]
one#: alu[--, --, B, x]
    halt
two#: immed[y, 1]
    alu[--, --, B, y]
    halt"""
    program = assembled(text)
    assert program.warnings == []
    assert not set(program.registers["i"]) & set(program.registers["x"])
    assert assembled(text.replace(", targets[one#, two#]", "")).warnings == [
        "t.uc:4: jump without targets[]: taken to reach every label whose address is loaded"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("l#: br[l#], defer[1]\nbr[l#]", "t.uc:2: a branch or swap in the defer shadow of line 1"),
        ("l#: br[l#], defer[1]", "t.uc:1: defer[1]: the shadow passes the end of the program"),
        ("l#: br[l#], defer[2]\nnop", "t.uc:1: defer[2]: the shadow passes the end of the program"),
    ],
)
def test_shadows(refused: Callable[..., str], text: str, message: str) -> None:
    assert refused(text) == message


def test_a_deferred_instruction_runs_before_the_target(assembled: Callable[..., Program]) -> None:
    text = ".reg a b\nimmed[a, 1]\nimmed[b, 1]\nbr[out#], defer[1]\nimmed[b, 2]\nhalt\nout#: alu[--, a, +, b]"
    program = assembled(text)
    assert not set(program.registers["a"]) & set(program.registers["b"])
