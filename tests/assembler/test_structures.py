"""Structure accesses: the same program, executed over each memory, must do the same to the structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ixp_emu import isa
from ixp_emu.assembler import Location, Program, StructureDeclaration, assemble, link, parse
from ixp_emu.errors import InputError

Assembled = Callable[..., Program]

LOCATIONS = [
    Location("scratch", 0),
    Location("scratch", 0x1F00),
    Location("sram0", 0x400),
    Location("sram1", 0x123400),
    Location("sram1", 0x10_0000),
    Location("dram", 0),
    Location("dram", 0x100_0000),
    Location("dram", 0x12_3458),
    Location("local", 0),
    Location("local", 400),
]
IDS = [f"{location.memory}-{location.base:#x}" for location in LOCATIONS]


def declaration(element_bytes: int = 32, access: str = "read,write,add") -> str:
    return f".structure T element_bytes={element_bytes} count=8 access={access} sharing=me\n"


def address_of(location: Location, element: int, word: int, element_bytes: int = 32) -> tuple[str, int]:
    """Target and command address of a longword, from the documents: SRAM channels in bits 31:30 (isa.md 1.12)."""
    stride = -(-element_bytes // 8) * 8 if location.memory == "dram" else element_bytes
    offset = location.base + element * stride + word * 4
    if location.memory.startswith("sram"):
        return "sram", int(location.memory[-1]) * 0x4000_0000 + offset
    return location.memory, offset


class Store:
    """The structure's longwords inside a machine, by element and word."""

    def __init__(self, machine: Any, location: Location, element_bytes: int = 32) -> None:
        self._machine, self._location, self._element_bytes = machine, location, element_bytes

    def __getitem__(self, key: tuple[int, int]) -> int:
        target, address = address_of(self._location, *key, self._element_bytes)
        if target == "local":
            return int(self._machine.local[address // 4])
        return int(self._machine.memory.get((target, address), 0))

    def __setitem__(self, key: tuple[int, int], value: int) -> None:
        target, address = address_of(self._location, *key, self._element_bytes)
        if target == "local":
            self._machine.local[address // 4] = value
        else:
            self._machine.memory[target, address] = value

    def fill(self) -> None:
        for element in range(8):
            for word in range(self._element_bytes // 4):
                self[element, word] = 1000 * element + word + 1

    def changed(self) -> dict[tuple[int, int], int]:
        """Longwords that differ from what ``fill`` left."""
        every = [(e, w) for e in range(8) for w in range(self._element_bytes // 4)]
        return {(e, w): self[e, w] for e, w in every if self[e, w] != 1000 * e + w + 1}


@pytest.fixture(params=["address at assembly", "address at load"])
def placed(request: pytest.FixtureRequest, assembled: Assembled) -> Assembled:
    """Assembles a text for these locations: at once, or with addresses that are linked afterwards."""

    def run(text: str, *, locations: dict[str, Location]) -> Program:
        if request.param == "address at assembly":
            return assembled(text, locations=locations)
        unlinked = {name: Location(location.memory, relocatable=True) for name, location in locations.items()}
        return link(assembled(text, locations=unlinked), locations=locations)

    return run


def prepared(program: Program, machine: Any, location: Location, element_bytes: int = 32) -> tuple[Any, Store]:
    running = machine(program)
    store = Store(running, location, element_bytes)
    store.fill()
    return running, store


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
@pytest.mark.parametrize(("word", "count"), [(0, 1), (1, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (0, 8), (7, 1)])
@pytest.mark.parametrize("index", ["i", "5"])
def test_read(placed: Assembled, machine: Any, location: Location, word: int, count: int, index: str) -> None:
    text = declaration() + ".reg i\n" + "".join(f".reg global v{k}\n" for k in range(count))
    text += f".set i\n.state_xfer b[{count}] T\nstate_read[b, T, {index}, {word}, {count}]\n"
    text += "".join(f"alu[v{k}, --, B, b[{k}]]\n" for k in range(count)) + "halt"
    running, store = prepared(placed(text, locations={"T": location}), machine, location)
    running.set("i", 5)
    running.run()
    assert [running.get(f"v{k}") for k in range(count)] == [5000 + word + k + 1 for k in range(count)]
    assert store.changed() == {}


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
@pytest.mark.parametrize(("word", "count"), [(0, 1), (1, 1), (0, 2), (1, 2), (1, 3), (2, 3), (1, 6), (0, 8), (7, 1)])
@pytest.mark.parametrize("index", ["i", "5"])
def test_write(placed: Assembled, machine: Any, location: Location, word: int, count: int, index: str) -> None:
    text = declaration() + f".reg i\n.set i\n.state_xfer b[{count}] T\n"
    text += "".join(f"alu[b[{k}], --, B, {100 + k}]\n" for k in range(count))
    text += f"state_write[b, T, {index}, {word}, {count}]\nhalt"
    running, store = prepared(placed(text, locations={"T": location}), machine, location)
    running.set("i", 5)
    running.run()
    assert store.changed() == {(5, word + k): 100 + k for k in range(count)}


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
@pytest.mark.parametrize("word", [0, 1, 6])
@pytest.mark.parametrize(
    ("value", "amount"), [("v", 77), ("1", 1), ("255", 255), ("256", 256), ("0x12345678", 0x12345678), ("(-1)", -1)]
)
def test_add(placed: Assembled, machine: Any, location: Location, word: int, value: str, amount: int) -> None:
    text = declaration() + f".reg i v\n.set i v\nstate_add[T, i, {word}, {value}]\nhalt"
    running, store = prepared(placed(text, locations={"T": location}), machine, location)
    running.set("i", 3)
    running.set("v", 77)
    running.run()
    assert store.changed() == {(3, word): 3000 + word + 1 + amount}


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
def test_accesses_may_be_repeated_in_one_program(placed: Assembled, machine: Any, location: Location) -> None:
    """Temporaries and signals of one access are free again for the next."""
    text = (
        declaration()
        + ".reg i v\n.set i v\n.state_xfer b[3] T\n"
        + (
            "state_read[b, T, i, 1, 3]\nalu[b[0], b[0], +, 1]\nalu[b[1], --, B, b[1]]\nalu[b[2], --, B, b[2]]\n"
            "state_write[b, T, i, 1, 3]\nstate_add[T, i, 7, v]\n" * 12
        )
    )
    program = placed(text + "halt", locations={"T": location})
    running, store = prepared(program, machine, location)
    running.set("i", 2)
    running.set("v", 10)
    running.run(limit=2000)
    assert store.changed() == {(2, 1): 2002 + 12, (2, 7): 2008 + 120}
    assert program.usage["signals"] <= 4


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
@pytest.mark.parametrize("element_bytes", [4, 12, 24, 40])
def test_any_element_size(placed: Assembled, machine: Any, location: Location, element_bytes: int) -> None:
    text = declaration(element_bytes) + ".reg i\n.set i\nstate_add[T, i, 0, 5]\nhalt"
    running, store = prepared(placed(text, locations={"T": location}), machine, location, element_bytes)
    running.set("i", 7)
    running.run()
    assert store.changed() == {(7, 0): 7001 + 5}


@pytest.mark.parametrize("location", LOCATIONS, ids=IDS)
def test_base(placed: Assembled, machine: Any, location: Location) -> None:
    text = declaration() + ".reg global r s\nstate_base[r, T]\nimmed[s, (base(T) & 0xffff)]\nhalt"
    running = machine(placed(text, locations={"T": location})).run()
    assert running.get("r") == address_of(location, 0, 0)[1]
    assert running.get("s") == address_of(location, 0, 0)[1] & 0xFFFF


def names(program: Program) -> list[str]:
    return [isa.decode(word).operation.name for word in program.words]


READ = ".reg i\n.set i\n.state_xfer b[2] T\nstate_read[b, T, i, 2, 2]"
ADD = ".reg i v\n.set i v\nstate_add[T, i, 2, v]"


@pytest.mark.parametrize(
    ("location", "text", "expected"),
    [
        (Location("scratch", 0), READ, ["alu_shf.b", "scratch.read"]),
        (Location("scratch", 0x1000), READ, ["alu_shf.b", "immed", "scratch.read"]),
        (Location("sram1", 0x10_0000), READ, ["alu_shf.or", "immed", "sram.read"]),
        (Location("dram", 0x100_0000), READ, ["alu_shf.or", "immed", "dram.read", "ctx_arb"]),
        (Location("scratch", 0), ADD, ["alu.b", "alu_shf.b", "scratch.add"]),
        (
            Location("local", 64),
            ADD,
            ["alu_shf.b", "alu.add", "local_csr_wr", "nop", "nop", "nop", "alu.add"],
        ),
        (
            Location("dram", 0),
            ADD,
            ["alu_shf.b", "dram.read", "ctx_arb", "alu.add", "immed", "alu.b", "dram.write", "ctx_arb"],
        ),
        (
            Location("dram", 0),
            ADD.replace("2, v", "3, v"),
            ["alu_shf.b", "dram.read", "ctx_arb", "alu.add", "alu_shf.b", "dram.write", "ctx_arb"],
        ),
    ],
)  # fmt: skip
def test_no_more_words_than_written_by_hand(
    assembled: Assembled, location: Location, text: str, expected: list[str]
) -> None:
    program = assembled(declaration() + text, locations={"T": location})
    nop = 0xF0000C0300
    found = ["nop" if word == nop else name for name, word in zip(names(program), program.words, strict=True)]
    assert found == expected


def test_the_structure_map_marks_commands(assembled: Assembled) -> None:
    text = declaration() + ".structure U element_bytes=4 count=1 access=read sharing=me\n" + READ
    text += (
        "\n.reg $x\n.sig s\nsram[read, $x, i, 0, 1], ctx_swap[s], structure[U]\nsram[read, $x, i, 0, 1], ctx_swap[s]"
    )
    program = assembled(text, locations={"T": Location("dram", 0)})
    assert list(zip(names(program), program.structures, strict=True)) == [
        ("alu_shf.b", None),
        ("dram.read", "T"),
        ("ctx_arb", None),
        ("sram.read", "U"),
        ("sram.read", None),
    ]


def test_local_memory_accesses_are_marked(assembled: Assembled) -> None:
    program = assembled(declaration() + ADD, locations={"T": Location("local", 0)})
    assert program.structures[-1] == "T"
    assert program.structures[:-1] == [None] * (len(program.words) - 1)


def test_structures_are_known_before_their_placement() -> None:
    parsed = parse(
        "#define N 100\n\n.structure Flow element_bytes=(4 * 3) count=(N * 2) align=64 access=read,add sharing=chip\n",
        name="t.uc",
    )
    assert parsed.structures == (
        StructureDeclaration("Flow", 12, 200, 64, frozenset({"read", "add"}), "chip", "t.uc", 3),
    )
    assert parsed.structures[0].size_bytes("sram0") == 12 * 200
    assert parsed.structures[0].size_bytes("dram") == 16 * 200


def test_names_of_structures_are_not_case_sensitive(assembled: Assembled) -> None:
    assert assembled(declaration() + READ.replace(" T", " t"), locations={"t": Location("scratch", 0)}).words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".structure", ".structure needs a name"),
        (".structure T count=1 access=read sharing=me", "structure 'T': element_bytes is missing"),
        (".structure T element_bytes=6 count=1 access=read sharing=me",
         "structure 'T': element_bytes 6: must be a positive multiple of 4"),
        (".structure T element_bytes=4 count=0 access=read sharing=me", "structure 'T': count 0: must be positive"),
        (".structure T element_bytes=4 count=1 align=6 access=read sharing=me",
         "structure 'T': align 6: must be a power of two, 4 or more"),
        (".structure T element_bytes=4 count=1 access=read,sub sharing=me",
         "structure 'T': access 'sub': must be read, write, add, test_and_set, test_and_clr, test_and_add, ring"),
        (".structure T element_bytes=4 count=1 access=read sharing=all",
         "structure 'T': sharing 'all': must be me, chip, context"),
        (".structure T element_bytes=4 size=1", "structure 'T': unknown key 'size'; known are element_bytes, count, "
         "align, access, sharing, memory, ring, prefill"),
        (".structure T element_bytes=4 count=1 count=2", "structure 'T': count is given twice"),
        (".structure T element_bytes=4 count=N access=read sharing=me", "structure 'T': count: 'N' is not a constant"),
    ],
)  # fmt: skip
def test_declaration_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse("\n" + text + "\n", name="t.uc")
    assert str(caught.value) == f"t.uc:2: {message}"


def test_rings_and_memories_are_part_of_the_declaration() -> None:
    text = (
        ".structure R element_bytes=512 count=1 access=ring ring=3 prefill=128 sharing=chip\n"
        ".structure P element_bytes=2048 count=4 access=read sharing=chip memory=dram\n"
    )
    ring, packets = parse(text, name="t.uc").structures
    assert (ring.ring, ring.prefill, ring.memory) == (3, 128, None)
    assert (packets.ring, packets.prefill, packets.memory) == (None, 0, "dram")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("element_bytes=512 count=1 access=ring", "access=ring and ring=NUMBER go together"),
        ("element_bytes=512 count=1 access=read ring=1", "access=ring and ring=NUMBER go together"),
        ("element_bytes=508 count=1 access=ring ring=1", "a ring of 127 longwords: must be 128, 256, 512 or 1024"),
        ("element_bytes=512 count=2 access=ring ring=15", "rings 15..16: must be 0..15"),
        ("element_bytes=512 count=1 access=ring ring=0 prefill=129", "prefill 129: must be 0..128"),
        ("element_bytes=512 count=2 access=ring ring=0 prefill=1", "prefill needs a single ring, not 2"),
        ("element_bytes=4 count=1 access=read prefill=1", "prefill is for rings"),
        ("element_bytes=4 count=1 access=read memory=l2", "memory 'l2': must be scratch, sram0, sram1, dram, local"),
    ],
)
def test_ring_and_memory_errors(keys: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(f".structure T {keys} sharing=me\n", name="t.uc")
    assert str(caught.value) == f"t.uc:1: structure 'T': {message}"


def test_two_declarations_of_one_name() -> None:
    with pytest.raises(InputError) as caught:
        parse(declaration() * 2, name="t.uc")
    assert str(caught.value) == "t.uc:2: structure 'T' is declared twice (first at t.uc:1)"


HEAD = ".reg i\n.set i\n.state_xfer b[9] T\n"


@pytest.mark.parametrize(
    ("location", "text", "message"),
    [
        (Location("sram0", 0), "state_read[b, X, i, 0, 1]", "structure 'X' is not declared"),
        (Location("sram0", 0), "state_read[b, T, i, 0]",
         "state_read is written state_read[block, structure, index, word, n], without tokens"),
        (Location("sram0", 0), "state_read[c, T, i, 0, 1]", "block 'c' is not declared with .state_xfer"),
        (Location("sram0", 0), "state_read[b, T, i, 7, 2]",
         "state_read of 'T': 2 longword(s) from word 7: an element has words 0..7"),
        (Location("sram0", 0), "state_read[b, T, i, i, 2]", "word 'i': must be a constant"),
        (Location("sram0", 0), "state_add[T, i, 8, 1]",
         "state_add of 'T': 1 longword(s) from word 8: an element has words 0..7"),
        (Location("dram", 4), "state_add[T, i, 0, 1]",
         "structure 'T': address 0x4 in dram: must be a multiple of 8"),
        (Location("local", 2560 - 8 * 32 + 4), "state_add[T, i, 0, 1]",
         "structure 'T': 256 bytes at 2308 exceed local memory, 2560 bytes"),
        (Location("flash", 0), "state_add[T, i, 0, 1]",
         "structure 'T': memory 'flash': must be scratch, sram0, sram1, dram, local"),
    ],
)  # fmt: skip
def test_access_errors(refused: Callable[..., str], location: Location, text: str, message: str) -> None:
    # Wrong locations are found at the block too: the access alone is looked at then.
    head = HEAD if location == Location("sram0", 0) else ".reg i\n.set i\n\n"
    assert refused(declaration() + head + text, locations={"T": location}) == f"t.uc:5: {message}"


def test_a_structure_without_location(refused: Callable[..., str]) -> None:
    assert refused(declaration() + ".reg i\n.set i\nstate_add[T, i, 0, 1]") == (
        "t.uc:4: structure 'T' has no location: place it in a memory"
    )


@pytest.mark.parametrize(("verb", "text"), [("write", "state_write[b, T, i, 0, 1]"), ("add", "state_add[T, i, 0, 1]")])
def test_access_that_was_not_declared(refused: Callable[..., str], verb: str, text: str) -> None:
    head = declaration(access="read") + ".reg i\n.set i\n.state_xfer b[1] T\n"
    assert refused(head + text, locations={"T": Location("sram0", 0)}) == (
        f"t.uc:5: state_{verb} of 'T': its declaration has no access {verb} (access=read)"
    )


@pytest.mark.parametrize(
    ("memory", "words", "limit"), [("sram0", 8, "longwords"), ("scratch", 8, "longwords"), ("dram", 16, "quadwords")]
)
def test_a_command_moves_eight_units(
    assembled: Assembled, refused: Callable[..., str], memory: str, words: int, limit: str
) -> None:
    locations = {"T": Location(memory, 0)}
    head = declaration(96) + ".num_contexts 4\n.reg i\n.set i\n.state_xfer b[{0}] T\nstate_read[b, T, i, 0, {0}]"
    assert assembled(head.format(words), locations=locations).words
    count = words + 1 if limit == "longwords" else words // 2 + 1
    assert refused(head.format(words + 1), locations=locations) == (
        f"t.uc:6: state_read of 'T': {count} {limit}, a command moves at most 8"
    )


def test_one_program_serves_every_memory() -> None:
    parsed = parse(declaration() + READ + "\nhalt\n", name="t.uc")
    programs = [assemble(parsed, locations={"T": location}) for location in LOCATIONS]
    assert len({program.digest for program in programs}) == len(LOCATIONS)
