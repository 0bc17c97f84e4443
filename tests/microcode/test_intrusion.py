"""Intrusion detection on the emulated chip against its oracle; and its rules."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from ixp_emu.errors import InputError
from microcode.services.intrusion.oracle import Detector
from microcode.services.intrusion.rules import Rule, pattern_bytes, read_rules, tables
from microcode.services.packet import ICMP, TCP, UDP, Tuple
from oboe_runtime.aho_corasick import compile_patterns
from oboe_runtime.declaration import read_declaration
from tests.microcode.frames import frame_of
from tests.microcode.service_bench import Bench, Work

SERVICE = "builtin:services/intrusion"
RULES = tuple(
    Rule(content.decode(), content, drop)
    for content, drop in [(b"ab", False), (b"bcc", False), (b"c", False), (b"abab", True), (b"cabb", False)]
)
ROOM = {"rule_words": 8192, "alert_states": 16}


def stream(seed: int, packets: int, flows: int) -> list[Work]:
    """Payloads of few letters, cut anywhere, both directions of some flows mixed, of several protocols."""
    draw = random.Random(seed)
    known = [
        Tuple(draw.randrange(9), 9 + draw.randrange(9), draw.randrange(9), 7, draw.choice([TCP, UDP]))
        for _ in range(flows)
    ]
    known[0] = Tuple(1, 2, 0, 0, ICMP)
    work: list[Work] = []
    records: dict[Tuple, int] = {}
    for _ in range(packets):
        flow = draw.choice(known)
        if draw.random() < 0.4:
            flow = flow.reversed()
        payload = bytes(draw.choice(b"abcd") for _ in range(draw.randrange(0, 45)))
        options = bytes([1] * 4 * draw.choice([0, 0, 1, 2]))
        tcp_options = bytes(4 * draw.choice([0, 0, 1, 10]))
        frame = frame_of(flow, payload, options=options, tcp_options=tcp_options, padding=b"ab")
        key = flow.sorted()
        new = key not in records
        record = records.setdefault(key, len(records))
        work.append(Work(frame, key, record=record, exchanged=key != flow, new=new))
    return work


@pytest.mark.parametrize(("root_bitmap", "memory"), [(1, "scratch"), (1, "local"), (0, "sram1"), (1, "dram")])
def test_finds_what_the_oracle_finds(root_bitmap: int, memory: str) -> None:
    declaration = read_declaration(SERVICE, options={**ROOM, "root_bitmap": root_bitmap})
    automaton, contents = tables(RULES, **ROOM)
    work = stream(seed=root_bitmap, packets=60, flows=5)
    detector = Detector([rule.content for rule in RULES])
    found = [detector.scan(one.packet()) for one in work]
    bench = Bench(
        declaration,
        memories={"leaves_root": memory, "alerts": "dram" if memory == "dram" else "scratch"},
        contents=contents,
    )
    bench.words("scans")[...] = 0xDEAD  # a new record holds what was there before
    verdicts, frames = bench.run(work)
    assert frames == [one.frame for one in work]
    assert verdicts == [int(any(RULES[number].drop for number in alerts)) for alerts in found]
    assert {0, 1} == set(verdicts)
    counted: Counter[int] = Counter()
    for state, ends in enumerate(automaton.ends, start=1):
        for number in ends:
            counted[number] += int(bench.words("alerts")[state, 0])
    assert counted == detector.alerts
    assert all(detector.alerts[number] for number in range(len(RULES)))


@pytest.mark.parametrize(
    ("flow", "total", "offset", "searched"),
    [
        (Tuple(1, 2, 3, 4, TCP), 40, 5, ""),
        (Tuple(1, 2, 3, 4, TCP), 41, 5, "x"),
        (Tuple(1, 2, 3, 4, TCP), 41, 6, ""),
        (Tuple(1, 2, 3, 4, TCP), 39, 5, "all of the cut header"),
        (Tuple(1, 2, 3, 4, UDP), 28, 0, ""),
        (Tuple(1, 2, 3, 4, UDP), 29, 0, "x"),
        (Tuple(1, 2, 3, 4, UDP), 27, 0, "all of the cut header"),
    ],
)
def test_where_the_payload_begins_and_ends(flow: Tuple, total: int, offset: int, searched: str) -> None:
    """Every byte value is a pattern, so an alert is a byte that was searched."""
    rules = [Rule(str(byte), bytes([byte]), False) for byte in range(256)]
    room = {"rule_words": 257 * 256, "alert_states": 257}
    frame = bytearray(frame_of(flow, b"xyz"))
    frame[16:18] = total.to_bytes(2, "big")
    if flow.protocol == TCP:
        frame[46] = offset << 4
    header = bytes(frame[14:24]) + bytes(2) + bytes(frame[26:34])
    total_sum = sum(int.from_bytes(header[at : at + 2], "big") for at in range(0, 20, 2))
    frame[24:26] = ((total_sum & 0xFFFF) + (total_sum >> 16) ^ 0xFFFF).to_bytes(2, "big")
    _, contents = tables(rules, **room)
    bench = Bench(read_declaration(SERVICE, options=room), contents=contents)
    bench.run([Work(bytes(frame), flow, new=True)])
    expected = {"": 0, "x": 1}.get(searched, total - 20)
    assert int(bench.words("alerts").sum()) == expected


def test_the_rules_that_come_with_it() -> None:
    rules = read_rules("builtin:services/intrusion/rules.toml")
    declaration = read_declaration(SERVICE)
    room = {name: int(declaration.options[name]) for name in ("rule_words", "alert_states")}
    automaton, contents = tables(rules, **room)
    for rule, number in zip(rules, range(len(rules)), strict=True):
        _, met = automaton.scan(b"?" + rule.content)
        assert number in automaton.ends[met[-1][1] - 1]
        assert contents["policy"][met[-1][1]] == rule.drop
    assert len(contents["rules"]) == room["rule_words"]


@pytest.mark.parametrize(
    ("content", "pattern"),
    [("abc", b"abc"), ("a|0d 0A|b", b"a\r\nb"), ("|00ff|", b"\0\xff"), ("|2e|é", b".\xe9")],
)
def test_contents(content: str, pattern: bytes) -> None:
    assert pattern_bytes(content) == pattern


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('content = "a|00"', 'rule[0].content: "a|00": a bar without its partner; bytes stand as |0d 0a|'),
        ('content = "|0|"', 'rule[0].content: "|0|": not pairs of hexadecimal digits'),
        ('content = "||"', 'rule[0].content: "||": not pairs of hexadecimal digits'),
        ('content = "€"', 'rule[0].content: "€": a character beyond Latin-1; write its bytes as |e2 82 ac|'),
        ('content = "{}"'.format("x" * 256), "rule[0].content: 256 bytes: a pattern has 1 to 255"),
        (
            'content = "a"\n[[rule]]\nname = "other"\ncontent = "|61|"',
            'rule[1].content: the same pattern as that of rule "one"',
        ),
        (
            'content = "a"\naction = "pass"',
            'rule[0].action: expected "alert" or "drop"; got the string "pass"',
        ),
    ],
)
def test_files_that_are_no_rules(tmp_path: Path, rule: str, message: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f'[[rule]]\nname = "one"\n{rule}\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_rules(str(path))
    line = 6 if "rule[1]" in message else 4 if "action" in message else 3
    assert str(error.value) == f"{path}:{line}: {message}"


def test_rules_that_do_not_fit() -> None:
    automaton = compile_patterns([rule.content for rule in RULES])
    words = automaton.states * 256
    outputs = automaton.output_states
    tables(RULES, rule_words=words, alert_states=outputs + 1)
    with pytest.raises(InputError) as error:
        tables(RULES, rule_words=words - 1, alert_states=outputs + 1)
    assert str(error.value) == (
        f"oboe.options.rule_words: {words - 1:,}; the rules need {words:,}: 256 for each of {automaton.states} states"
    )
    with pytest.raises(InputError) as error:
        tables(RULES, rule_words=words, alert_states=outputs)
    assert str(error.value) == f"oboe.options.alert_states: {outputs}; the rules need {outputs + 1}"
