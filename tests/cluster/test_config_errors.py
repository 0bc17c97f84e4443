"""What a user reads when cluster.toml is wrong: place, key, value and rule, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ixp_emu.cluster.config import load_config
from ixp_emu.errors import InputError

TEXT = """\
schema = 1
[run]
offered_packets = 100
seed = 1
[hardware]
preset = "ixp2400-600"
[programs]
rx = { source = "rx.uc" }
forward = { source = "rx.uc", define = { MAX = 1 } }
[chips.a]
ports = ["1GbE", "1GbE"]
engines = { rx = ["0:0"], forward = [
  "0:1",
  "1:3",
] }
[chips.b]
like = "a"
[links.ab]
between = ["a.1", "b.1"]
latency_ns = 1_000
[traffic]
generator = "zipf"
into = ["a.0"]
[placement]
flow_table = { memory = "sram1", pin = false }
"""


def line_of(text: str) -> int:
    assert TEXT.count(text) == 1, text
    return TEXT.count("\n", 0, TEXT.index(text)) + 1


def error_of(directory: Path, text: str, *overrides: str) -> str:
    (directory / "rx.uc").touch()
    file = directory / "cluster.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(file, overrides=overrides)
    return str(caught.value).replace(f"{directory}/", "")


FROM_0 = "expected an integer from 0 to 9_223_372_036_854_775_807"
FROM_1 = "expected an integer from 1 to 9_223_372_036_854_775_807"
LONGWORD = "expected an integer from -2_147_483_648 to 4_294_967_295 or a string"
ONE_ENGINE = 'expected an engine "cluster:ME" from "0:0" to "1:3"'
ENTRIES = 'expected a list of 1 or more: a port "chip.number"'
SOURCE = 'expected a file name or "builtin:name"'
NAME = "expected a name of letters, digits, _ and -, with a letter first"
SYMBOL = "expected a symbol of letters, digits and _, with no digit first"
ENGINE = 'expected a list of 1 or more: an engine "cluster:ME" from "0:0" to "1:3"'
PORT = 'expected a port "chip.number"'
MEMORY = 'expected "dram", "local", "scratch", "sram0" or "sram1"'
RATE = (
    'expected "line", "back-to-back", "recorded", a bit rate like "2.5 Gb/s"'
    " or packets per second as a number greater than 0 up to 1e12"
)
SIZES = (
    'expected "imix", an integer from 64 to 1_522'
    " or a list of 1 or more: a list [an integer from 64 to 1_522, an integer from 1 to 4_294_967_295]"
)

# (text in the file, what stands there instead, rest of the message); the line is that of the text.
WRONG = [
    # shape of the document
    ("schema = 1", "schema = 2", "schema: expected 1; got the integer 2"),
    ("seed = 1", "sede = 1", 'run.sede: unknown key; did you mean "seed"?'),
    (
        "seed = 1",
        "zzz = 1",
        "run.zzz: unknown key; there are offered_packets, warmup_packets, max_cycles, seed, stall_after",
    ),
    ("[links.ab]", "[linx.ab]", 'linx: unknown table; did you mean "links"?'),
    (
        "[links.ab]",
        "[zzz.ab]",
        "zzz: unknown table; there are schema, run, hardware, programs, chips, links, switches, traffic, placement, "
        "oboe",
    ),
    # types and ranges
    ("seed = 1", 'seed = "abc"', f'run.seed: {FROM_0}; got the string "abc"'),
    ("seed = 1", "seed = -1", f"run.seed: {FROM_0}; got the integer -1"),
    (
        "seed = 1",
        f"seed = {2**63}",
        f"run.seed: {FROM_0}; got the integer {2**63}",
    ),
    ("seed = 1", "max_cycles = 0", f"run.max_cycles: {FROM_1}; got the integer 0"),
    ("seed = 1", "stall_after = true", f"run.stall_after: {FROM_1}; got true"),
    (
        "offered_packets = 100",
        "offered_packets = 0",
        "run.offered_packets: expected an integer from 1 to 4_294_967_296; got the integer 0",
    ),
    (
        "seed = 1",
        "warmup_packets = -1",
        "run.warmup_packets: expected an integer from 0 to 4_294_967_296; got the integer -1",
    ),
    (
        "seed = 1",
        "warmup_packets = 100",
        "run.warmup_packets: expected less than run.offered_packets (100); got the integer 100",
    ),
    ("seed = 1", "seed = 1979-05-27", f"run.seed: {FROM_0}; got the date or time 1979-05-27"),
    # hardware
    (
        'preset = "ixp2400-600"',
        'preset = "ixp"',
        'hardware.preset: expected "ixp2400-600" or "ixp2400-400"; got the string "ixp"',
    ),
    (
        'preset = "ixp2400-600"',
        "sram.idle_latancy = 1",
        'hardware.sram.idle_latancy: unknown hardware parameter; did you mean "sram.idle_latency"?',
    ),
    ('preset = "ixp2400-600"', "qqqqqq = 1", "hardware.qqqqqq: unknown hardware parameter"),
    (
        'preset = "ixp2400-600"',
        "sram.idle_latency = 1.5",
        "hardware.sram.idle_latency: expected an integer; got the number 1.5",
    ),
    (
        'preset = "ixp2400-600"',
        "sram.idle_latency = 1_001",
        "hardware.sram.idle_latency: 1001 is outside 30..1000 cycles",
    ),
    ('preset = "ixp2400-600"', "push = { latency = 1 }", "hardware.push.latency: 1 is outside 2..64 cycles"),
    # programs
    ('rx = { source = "rx.uc" }', "rx = {}", f"programs.rx.source: required key is missing; {SOURCE}"),
    ('rx = { source = "rx.uc" }', 'rx = { source = "" }', f'programs.rx.source: {SOURCE}; got the string ""'),
    ('rx = { source = "rx.uc" }', 'rx = "rx.uc"', 'programs.rx: expected a table; got the string "rx.uc"'),
    (
        'rx = { source = "rx.uc" }',
        'rx = { source = "builtin:x" }',
        "programs.rx.source: no such file in the installed microcode: builtin:x",
    ),
    ('rx = { source = "rx.uc" }', 'rx = { source = "ry.uc" }', "programs.rx.source: no such file: ry.uc"),
    (
        'rx = { source = "rx.uc" }',
        'rx = { source = "rx.uc", tables = { t = "t" } }',
        "programs.rx.tables.t: no such file: t",
    ),
    ("forward = { source", '"1f" = { source', f'programs.1f: {NAME}; got the string "1f"'),
    ("{ MAX = 1 }", "{ MAX = 4_294_967_296 }", f"programs.forward.define.MAX: {LONGWORD}; got the integer 4294967296"),
    ("{ MAX = 1 }", "{ MAX = 1.0 }", f"programs.forward.define.MAX: {LONGWORD}; got the number 1.0"),
    ("{ MAX = 1 }", "{ 1AX = 1 }", f'programs.forward.define.1AX: {SYMBOL}; got the string "1AX"'),
    # chips
    (
        'ports = ["1GbE", "1GbE"]',
        'ports = ["1GbE", "10GbE"]',
        'chips.a.ports[1]: expected "1GbE"; got the string "10GbE"',
    ),
    ('ports = ["1GbE", "1GbE"]', "ports = []", 'chips.a.ports: expected a list of 1 to 16: "1GbE"; got an empty list'),
    (
        'ports = ["1GbE", "1GbE"]',
        f"ports = {['1GbE'] * 17}",
        'chips.a.ports: expected a list of 1 to 16: "1GbE"; got a list of 17',
    ),
    ("engines = {", "tables = {", "chips.a.tables.rx: expected a table; got a list of 1"),
    ('rx = ["0:0"]', 'ry = ["0:0"]', "chips.a.engines.ry: unknown program; there are rx, forward"),
    ('rx = ["0:0"]', "rx = []", f"chips.a.engines.rx: {ENGINE}; got an empty list"),
    ('rx = ["0:0"]', 'rx = ["0:4"]', f'chips.a.engines.rx[0]: {ONE_ENGINE}; got the string "0:4"'),
    ('rx = ["0:0"]', 'rx = ["2:0"]', f'chips.a.engines.rx[0]: {ONE_ENGINE}; got the string "2:0"'),
    ('rx = ["0:0"]', 'rx = ["0:0", "0:0"]', 'chips.a.engines.rx[1]: engine "0:0" is listed twice'),
    ('"1:3"', '"0:0"', 'chips.a.engines.forward[1]: engine "0:0" is already given to program "rx"'),
    ('like = "a"', 'like = "c"', 'chips.b.like: unknown chip "c"; there are a, b'),
    ('like = "a"', 'like = "b"', "chips.b.like: the chain b -> b has no end"),
    ('like = "a"', 'like = "a"\nengines = {}', "chips.b.engines: expected a table of 1 or more; got an empty table"),
    (
        'like = "a"',
        'like = "a"\ntables.ford.t = "rx.uc"',
        'chips.b.tables.ford: unknown program; did you mean "forward"?',
    ),
    ('like = "a"', 'like = "a"\ntables.rx.t = "no"', "chips.b.tables.rx.t: no such file: no"),
    ("[chips.b]", '[chips."b.c"]', f'chips."b.c": {NAME}; got the string "b.c"'),
    # links
    ('"b.1"', '"b.2"', 'links.ab.between[1]: no port "b.2"; the ports of chip "b" are 0 to 1'),
    ('"b.1"', '"c.1"', 'links.ab.between[1]: unknown chip "c" in "c.1"; there are a, b'),
    ('"b.1"', '"b.01"', f'links.ab.between[1]: {PORT}; got the string "b.01"'),
    ('"b.1"', '"a.1"', 'links.ab.between[1]: both ends are port "a.1"; a link joins two different ports'),
    (
        ', "b.1"',
        "",
        'links.ab.between: expected a list [a port "chip.number", a port "chip.number"]; got a list of 1',
    ),
    (
        "latency_ns = 1_000",
        "latency_ns = -1",
        "links.ab.latency_ns: expected an integer from 0 to 80_000; got the integer -1",
    ),
    (
        "latency_ns = 1_000",
        "latency_ns = 1",
        "links.ab.latency_ns: expected at least 2, one ME cycle at 600000 kHz; got the integer 1",
    ),
    ("latency_ns = 1_000", 'kind = "fibre"', 'links.ab.kind: expected "gbe" or "spi3"; got the string "fibre"'),
    # traffic
    (
        'generator = "zipf"',
        'pcap="rx.uc"\ngenerator="zipf"',
        "traffic.generator: given beside pcap; one of the two offers packets",
    ),
    (
        'generator = "zipf"',
        'generator = "poisson"',
        'traffic.generator: expected "uniform" or "zipf"; got the string "poisson"',
    ),
    ('generator = "zipf"', 'pcap = "rx.uc"\nflows = 1', "traffic.flows: only for a generator"),
    ('generator = "zipf"', 'pcap = "no.pcap"', "traffic.pcap: no such file: no.pcap"),
    ('into = ["a.0"]', "into = []", f"traffic.into: {ENTRIES}; got an empty list"),
    (
        'into = ["a.0"]',
        'into = ["a.1"]',
        'traffic.into[0]: port "a.1" is an end of link "ab"; traffic needs a free port',
    ),
    ('into = ["a.0"]', 'into = ["a.0", "a.0"]', 'traffic.into[1]: port "a.0" is listed twice'),
    ('into = ["a.0"]', 'into = ["a.0"]\nrate = "fast"', f'traffic.rate: {RATE}; got the string "fast"'),
    ('into = ["a.0"]', 'into = ["a.0"]\nrate = "0.0 Gb/s"', f'traffic.rate: {RATE}; got the string "0.0 Gb/s"'),
    ('into = ["a.0"]', 'into = ["a.0"]\nrate = 0', f"traffic.rate: {RATE}; got the integer 0"),
    ('into = ["a.0"]', 'into = ["a.0"]\nrate = inf', f"traffic.rate: {RATE}; got the number inf"),
    ('into = ["a.0"]', 'into = ["a.0"]\nrate = "recorded"', 'traffic.rate: "recorded" is only for a trace (pcap)'),
    ('into = ["a.0"]', 'into = ["a.0"]\ntime_scale = 2', "traffic.time_scale: only for a trace (pcap)"),
    ('into = ["a.0"]', 'into = ["a.0"]\nsizes = 63', f"traffic.sizes: {SIZES}; got the integer 63"),
    ('into = ["a.0"]', 'into = ["a.0"]\nsizes = 1.5', f"traffic.sizes: {SIZES}; got the number 1.5"),
    (
        'into = ["a.0"]',
        'into = ["a.0"]\nsizes = [[64, 0]]',
        "traffic.sizes[0][1]: expected an integer from 1 to 4_294_967_295; got the integer 0",
    ),
    (
        'into = ["a.0"]',
        'into = ["a.0"]\nzipf_s = nan',
        "traffic.zipf_s: expected a number from 0 to 99; got the number nan",
    ),
    (
        'into = ["a.0"]',
        'into = ["a.0"]\ndestinations = ["10.0.0.1/8"]',
        'traffic.destinations[0]: expected an IPv4 prefix like "10.1.0.0/16"; got the string "10.0.0.1/8": '
        "10.0.0.1/8 has host bits set",
    ),
    # placement
    ('"sram1"', '"sram2"', f'placement.flow_table.memory: {MEMORY}; got the string "sram2"'),
    ('memory = "sram1", ', "", f"placement.flow_table.memory: required key is missing; {MEMORY}"),
    ("pin = false", "pin = 0", "placement.flow_table.pin: expected true or false; got the integer 0"),
    ("pin = false", "pinned = false", 'placement.flow_table.pinned: unknown key; did you mean "pin"?'),
    ('{ memory = "sram1", pin = false }', "1", f"placement.flow_table: {MEMORY} or a table; got the integer 1"),
    (
        '{ memory = "sram1", pin = false }',
        '"sram"',
        f'placement.flow_table: {MEMORY} or a table; got the string "sram"',
    ),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_message_and_line(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    line = line_of(right) + wrong.count("\n")  # where one line became two, the fault is in the second
    assert error_of(tmp_path, TEXT.replace(right, wrong)) == f"cluster.toml:{line}: {message}"


@pytest.mark.parametrize(
    ("removed", "header", "message"),
    [
        (
            'ports = ["1GbE", "1GbE"]',
            "[chips.a]",
            'chips.a.ports: required key is missing, and there is no "like" to take it from',
        ),
        (
            'generator = "zipf"',
            "[traffic]",
            "traffic: neither pcap nor generator is given; one of the two offers packets",
        ),
        ('into = ["a.0"]', "[traffic]", f"traffic.into: required key is missing; {ENTRIES}"),
    ],
)
def test_a_missing_key_is_reported_at_its_table(tmp_path: Path, removed: str, header: str, message: str) -> None:
    assert error_of(tmp_path, TEXT.replace(removed, "")) == f"cluster.toml:{line_of(header)}: {message}"


def test_engine_of_a_list_over_several_lines_is_placed_on_its_own(tmp_path: Path) -> None:
    line = line_of('"1:3"')
    text = TEXT.replace('"1:3"', '"1:4"')
    assert error_of(tmp_path, text).startswith(f"cluster.toml:{line}: chips.a.engines.forward[1]: expected an engine")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("schema", "schema: required key is missing; expected 1"),
        ("programs", "programs: required key is missing; expected a table of 1 or more"),
        ("chips", "chips: required key is missing; expected a table of 1 or more"),
        ("traffic", "traffic: required table is missing; a trace (pcap) or a generator offers packets"),
    ],
)
def test_missing_part_of_the_document(tmp_path: Path, table: str, message: str) -> None:
    sections = [
        section
        for section in TEXT.replace("schema = 1\n", "[schema]\n").replace("\n[", "\n\0[").split("\0")
        if not section.startswith((f"[{table}]", f"[{table}."))
    ]
    text = "".join(sections).replace("[schema]\n", "schema = 1\n")
    assert error_of(tmp_path, text) == f"cluster.toml: {message}"


def test_a_generator_needs_a_number_of_packets(tmp_path: Path) -> None:
    text = TEXT.replace("offered_packets = 100\n", "")
    message = "run.offered_packets: required key is missing: a generator makes packets without end"
    assert error_of(tmp_path, text) == f"cluster.toml:{line_of('[run]')}: {message}"


def test_endless_replay_needs_a_number_of_packets(tmp_path: Path) -> None:
    text = TEXT.replace("offered_packets = 100\n", "").replace('generator = "zipf"', 'pcap = "rx.uc"\nrepeat = 0')
    message = "run.offered_packets: required key is missing: traffic.repeat = 0 replays the trace without end"
    assert error_of(tmp_path, text) == f"cluster.toml:{line_of('[run]')}: {message}"


def test_a_time_scale_needs_recorded_times(tmp_path: Path) -> None:
    text = TEXT.replace('generator = "zipf"', 'pcap = "rx.uc"\ntime_scale = 2')
    assert error_of(tmp_path, text) == (
        f'cluster.toml:{line_of("generator") + 1}: traffic.time_scale: only with rate = "recorded"'
    )


def test_a_longer_cycle_of_likes_is_shown_whole(tmp_path: Path) -> None:
    text = TEXT.replace('ports = ["1GbE", "1GbE"]', 'like = "b"')
    assert error_of(tmp_path, text) == f"cluster.toml:{line_of('[chips.b]') + 1}: chips.b.like: " + (
        "the chain a -> b -> a has no end"
    )


def test_a_port_has_one_link(tmp_path: Path) -> None:
    text = TEXT.replace("[traffic]", '[links.second]\nbetween = ["b.0", "b.1"]\n[traffic]')
    assert error_of(tmp_path, text) == (
        f'cluster.toml:{line_of("[traffic]") + 1}: links.second.between[1]: port "b.1" is already an end of link "ab"'
    )


def test_a_link_of_one_cycle_is_the_shortest(tmp_path: Path) -> None:
    text = TEXT.replace("600", "400")  # 2.5 ns
    assert error_of(tmp_path, text, "links.ab.latency_ns=2").endswith(
        "expected at least 3, one ME cycle at 400000 kHz; got the integer 2"
    )
    (tmp_path / "cluster.toml").write_text(text)
    assert load_config(tmp_path / "cluster.toml", overrides=["links.ab.latency_ns=3"]).links["ab"].latency == 1


def test_a_hardware_parameter_is_given_once(tmp_path: Path) -> None:
    text = TEXT.replace("[programs]", '"sram.idle_latency" = 90\nsram.idle_latency = 91\n[programs]')
    assert error_of(tmp_path, text) == (
        f"cluster.toml:{line_of('[programs]') + 1}: hardware.sram.idle_latency: sram.idle_latency is given twice"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.seed=x", f'run.seed: {FROM_0}; got the string "x"'),
        ("run.sede=1", 'run.sede: unknown key; did you mean "seed"?'),
        ("run.seed.x=1", "run.seed: the integer 1, not a table"),
        ("hardware.sram.idle_latency=9", "hardware.sram.idle_latency: 9 is outside 30..1000 cycles"),
        ("hardware.sram={idle_latency=9}", "hardware.sram.idle_latency: 9 is outside 30..1000 cycles"),
        ("links.ab={between=['a.0','b.0']}", None),
        ("traffic.into=['c.0']", 'traffic.into[0]: unknown chip "c" in "c.0"; there are a, b'),
        ("traffic.pcap=none", "traffic.pcap: no such file: {cwd}/none"),
        ("run.seed", "KEY=VALUE expected"),
        ("run..seed=1", '"run..seed" is no dotted key'),
        ("=1", '"" is no dotted key'),
        ("run.seed=", 'no value; "" is the empty string'),
        ("traffic.into=[", "[ is not a TOML value"),
        ('traffic.rate="line', '"line is not a TOML value'),
    ],
)
def test_override_errors_name_the_override(tmp_path: Path, override: str, message: str | None) -> None:
    if message is None:  # the traffic stands in the file, so it is the file's line that is wrong with this link
        rule = 'port "a.0" is an end of link "ab"; traffic needs a free port'
        expected = f"cluster.toml:{line_of('into')}: traffic.into[0]: {rule}"
    else:
        expected = f"--set {override}: {message.format(cwd=Path.cwd())}"
    assert error_of(tmp_path, TEXT, override) == expected


def test_setting_both_sources_of_packets_is_an_error(tmp_path: Path) -> None:
    assert error_of(tmp_path, TEXT, "traffic.pcap=x", "traffic.generator=zipf") == (
        "--set traffic.generator=zipf: traffic.generator: given beside pcap; one of the two offers packets"
    )
    assert error_of(tmp_path, TEXT, "traffic.flows=5", "traffic.pcap=x") == (
        "--set traffic.flows=5: traffic.flows: only for a generator"
    )


def test_what_is_no_text_file(tmp_path: Path) -> None:
    def error(file: Path) -> str:
        with pytest.raises(InputError) as caught:
            load_config(file)
        return str(caught.value).replace(f"{tmp_path}/", "")

    junk = tmp_path / "junk"
    junk.write_bytes(b"a = 1\nb = \xff")
    empty = tmp_path / "empty"
    empty.touch()
    assert error(tmp_path / "none") == "none: no such file"
    assert error(tmp_path / "junk") == "junk:2: not a text file in UTF-8: byte 0xff at offset 10"
    assert error(tmp_path) == f"{tmp_path}: a directory; a cluster.toml file is expected"
    assert error(empty).startswith("empty: traffic: required table is missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = \n", "cluster.toml:2: not valid TOML: Invalid value (column 5)"),
        ("a = 1\na = 2\n", "cluster.toml:2: not valid TOML: Cannot overwrite a value (column 6)"),
        ("a = 1\n\nb = [1,\n", "cluster.toml:3: not valid TOML: Invalid value (at the end of the file)"),
        ("a = " + "[" * 5_000, "cluster.toml: not valid TOML: nested too deeply"),
    ],
)
def test_syntax_errors_have_their_line(tmp_path: Path, text: str, message: str) -> None:
    assert error_of(tmp_path, text) == message


def test_an_integer_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path, f"a = {'1' * 5_000}").startswith("cluster.toml: not valid TOML: Exceeds the limit")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    at=st.integers(0, len(TEXT)), length=st.integers(0, 30), junk=st.text(max_size=5) | st.sampled_from("=.[]{}\"'\n0")
)
def test_any_other_text_loads_or_is_refused_as_input(tmp_path: Path, at: int, length: int, junk: str) -> None:
    (tmp_path / "rx.uc").touch()
    file = tmp_path / "cluster.toml"
    file.write_text(TEXT[:at] + junk + TEXT[at + length :])
    try:
        load_config(file)
    except InputError as error:
        assert str(error).startswith(str(file))
        assert "\n" not in str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=st.sampled_from(["run.seed", "chips", "traffic.into", "hardware.sram", "placement.x", "x", "'"]),
    value=st.text(),
)
def test_any_override_loads_or_is_refused_as_input(tmp_path: Path, key: str, value: str) -> None:
    (tmp_path / "rx.uc").touch()
    file = tmp_path / "cluster.toml"
    file.write_text(TEXT)
    try:
        load_config(file, overrides=[f"{key}={value}"])
    except InputError as error:
        assert str(error)
