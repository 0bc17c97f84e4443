"""cluster.toml: what a correct file means, what overrides change, and that the expanded form says the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ixp_emu.chip.hardware import PRESETS, resolve_hardware
from ixp_emu.cluster.config import (
    ClusterConfig,
    Placement,
    Port,
    Program,
    engine_name,
    engine_number,
    load_config,
    program_file,
)

TEXT = """\
schema = 1
[run]
offered_packets = 20_000
warmup_packets  = 2_000
[hardware]
preset = "ixp2400-600"
[programs]
rx      = { source = "rx.uc" }
forward = { source = "code/forward.uc", define = { MAX_FLOWS = 65_536 }, tables = { routes = "routes.toml" } }
tx      = { source = "rx.uc" }
[chips.a]
ports   = ["1GbE", "1GbE", "1GbE"]
engines = { rx = ["0:0"], forward = ["0:1", "1:0"], tx = ["1:3"] }
[chips.b]
like = "a"
[links.ab]
between = ["a.2", "b.2"]
kind = "gbe"
latency_ns = 1_000
[traffic]
generator = "zipf"
into  = ["a.0"]
sizes = "imix"
[placement]
route_table = "sram0"
flow_table  = { memory = "sram1", pin = false }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the files that TEXT names, and some to put in their place."""
    (tmp_path / "code").mkdir()
    for name in ("rx.uc", "code/forward.uc", "routes.toml", "other.toml", "trace.pcap"):
        (tmp_path / name).touch()
    return tmp_path


def load(directory: Path, text: str = TEXT, *overrides: str) -> ClusterConfig:
    file = directory / "cluster.toml"
    file.write_text(text)
    return load_config(file, overrides=overrides)


def as_toml(value: Any) -> str:
    """A TOML value; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def reload(directory: Path, config: ClusterConfig) -> ClusterConfig:
    expanded = json.loads(json.dumps(config.expanded()))
    return load(directory, "".join(f"{key} = {as_toml(value)}\n" for key, value in expanded.items()))


def test_a_chip_like_another_has_all_of_it_but_what_it_says_itself(directory: Path) -> None:
    text = TEXT.replace(
        'like = "a"\n',
        'like = "a"\nengines = { rx = ["1:1"] }\nplacement.flow_table = "dram"\n'
        'tables.forward.routes = "other.toml"\n[chips.c]\nlike = "b"\nports = ["1GbE"]\nplacement.counters = "local"\n',
    )
    config = load(directory, text)
    a, b, c = config.chips.values()
    assert [a.name, b.name, c.name] == ["a", "b", "c"]
    assert a.engines == {"rx": (0,), "forward": (1, 4), "tx": (7,)}
    assert (b.ports, b.engines) == (a.ports, {"rx": (5,)})
    assert (c.ports, c.engines) == (("1GbE",), b.engines)
    assert config.placement_for("a", "flow_table") == Placement(memory="sram1", pin=False)
    assert config.placement_for("b", "flow_table") == Placement(memory="dram", pin=True)
    assert config.placement_for("b", "route_table") == Placement(memory="sram0", pin=True)
    assert c.placement == {**b.placement, "counters": Placement(memory="local")}
    assert config.placement_for("a", "counters") is None
    assert config.tables_for("a", "forward") == {"routes": str(directory / "routes.toml")}
    assert config.tables_for("c", "forward") == {"routes": str(directory / "other.toml")}


def test_a_link_has_its_latency_in_whole_cycles(directory: Path) -> None:
    link = load(directory, TEXT, "links.ab.latency_ns=1_001").links["ab"]
    assert link.between == (Port("a", 2), Port("b", 2))
    assert link.latency == 1_001 * 600_000_000 // 10**9


def test_defaults_of_run(directory: Path) -> None:
    run = load(directory).run
    assert (run.offered_packets, run.warmup_packets) == (20_000, 2_000)
    assert (run.max_cycles, run.seed, run.stall_after) == (60_000_000, 1, 1_000_000)


def test_file_names_are_relative_to_the_file_and_in_overrides_to_the_current_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory / "code")
    config = load(directory, TEXT, "programs.tx.source=forward.uc")
    assert config.programs["forward"].source == str(directory / "code" / "forward.uc")
    assert config.programs["tx"].source == str(directory / "code" / "forward.uc")
    assert config.programs["rx"].source == str(directory / "rx.uc")


def test_builtin_names_lie_in_the_installed_microcode(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = directory / "site" / "microcode"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "own.uc").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "microcode", raising=False)
    config = load(directory, TEXT, "programs.rx.source=builtin:own.uc")
    assert config.programs["rx"].source == "builtin:own.uc"
    assert program_file("builtin:own.uc") == package / "own.uc"
    for outside in ("builtin:../microcode/own.uc", f"builtin:{package}/own.uc", "builtin:none.uc"):
        with pytest.raises(FileNotFoundError):
            program_file(outside)


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("placement.flow_table=dram", lambda c: c.placement_for("b", "flow_table"), Placement(memory="dram")),
        ("chips.b.placement.flow_table=dram", lambda c: c.placement_for("b", "flow_table"), Placement(memory="dram")),
        ("placement.flow_table.pin=true", lambda c: c.placement["flow_table"], Placement(memory="sram1", pin=True)),
        ("hardware.sram.idle_latency=100", lambda c: c.hardware["sram.idle_latency"], 100),
        ('hardware."sram.idle_latency"=100', lambda c: c.hardware["sram.idle_latency"], 100),
        ("hardware.preset=ixp2400-400", lambda c: c.hardware, resolve_hardware("ixp2400-400")),
        ("programs.forward.define.MAX_FLOWS=16", lambda c: c.programs["forward"].define, {"MAX_FLOWS": 16}),
        ("programs.rx.define.NAME=word", lambda c: c.programs["rx"].define, {"NAME": "word"}),
        ('programs.rx.define.NAME="12"', lambda c: c.programs["rx"].define, {"NAME": "12"}),
        ("traffic.into=['b.0', 'b.1']", lambda c: c.traffic.into, ("b.0", "b.1")),
        ("traffic.rate=2.5 Gb/s", lambda c: c.traffic.rate, "2.5 Gb/s"),
        ("traffic.rate = 1e6", lambda c: c.traffic.rate, 1e6),
        ("chips.b={like='a', ports=['1GbE', '1GbE', '1GbE', '1GbE']}", lambda c: len(c.chips["b"].ports), 4),
    ],
)
def test_override(directory: Path, override: str, read: Any, value: object) -> None:
    assert read(load(directory)) != value
    assert read(load(directory, TEXT, override)) == value


def test_an_override_for_one_chip_leaves_the_others(directory: Path) -> None:
    config = load(directory, TEXT, "chips.b.placement.flow_table=dram")
    assert config.chips["a"] == load(directory).chips["a"]


def test_the_last_override_of_a_key_counts(directory: Path) -> None:
    config = load(directory, TEXT, "run.seed=5", "run.seed=6", "links.ab.latency_ns=7", "links={}")
    assert config.run.seed == 6
    assert config.links == {}


def test_overriding_the_source_of_packets_drops_the_keys_of_the_other(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    replayed = load(directory, TEXT, "traffic.pcap=trace.pcap", "traffic.rate=recorded", "traffic.time_scale=0.5")
    assert replayed.traffic.pcap == str(directory / "trace.pcap")
    assert replayed.traffic.generator is None
    text = TEXT.replace('generator = "zipf"\n', 'pcap = "trace.pcap"\n').replace('sizes = "imix"', "repeat = 0")
    assert load(directory, text).traffic.repeat == 0
    generated = load(directory, text, "traffic.generator=uniform")
    assert (generated.traffic.pcap, generated.traffic.generator) == (None, "uniform")


def test_a_byte_order_mark_and_windows_line_ends_are_read(directory: Path) -> None:
    file = directory / "cluster.toml"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_config(file) == load(directory)


def test_engine_numbers() -> None:
    names = [f"{cluster}:{number}" for cluster in range(2) for number in range(4)]
    assert [engine_number(name) for name in names] == list(range(8))
    assert [engine_name(number) for number in range(8)] == names
    for wrong in ("2:0", "0:4", "00", "0:", "", "-1:0", "0:0:0"):
        with pytest.raises(ValueError, match="is no engine"):
            engine_number(wrong)


def install_extension(directory: Path, monkeypatch: pytest.MonkeyPatch, name: str, programs: dict[str, str]) -> None:
    """A package with an extension that owns the table [quota] and brings programs."""
    information = directory / "site" / f"{name}-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[ixpemu.extensions]\nquota = {name}\n")
    (information.parent / f"{name}.py").write_text(f"programs = {programs!r}\n")
    monkeypatch.syspath_prepend(str(information.parent))


def test_an_extension_brings_programs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = {"probe": "builtin:firmware/tx.uc", "rx": "builtin:firmware/tx.uc"}
    install_extension(directory, monkeypatch, "bringing_extension", brought)
    without = load(directory, TEXT)
    config = load(directory, TEXT + "[quota]\n", "programs.probe.define.LIMIT=3")
    assert config.programs == {
        **without.programs,  # what [programs] says of a name comes before what the extension does
        "probe": Program(source="builtin:firmware/tx.uc", define={"LIMIT": 3}),
    }
    assert reload(directory, config) == config


def test_a_table_of_an_installed_extension_is_kept_as_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_extension(directory, monkeypatch, "emulated_extension", {})
    config = load(directory, TEXT + "[quota]\nlimit = 3\nnested = { any = [1, 'x'] }\n", "quota.more=word")
    assert config.extensions == {"quota": {"limit": 3, "nested": {"any": [1, "x"]}, "more": "word"}}
    assert reload(directory, config) == config
    error = config.source.error(("quota", "nested", "any", 1), "wrong")
    assert str(error) == f"{directory}/cluster.toml:{TEXT.count(chr(10)) + 3}: quota.nested.any[1]: wrong"


def test_expanded_has_every_hardware_value(directory: Path) -> None:
    expanded = load(directory, TEXT, "hardware.sram.idle_latency=100").expanded()["hardware"]
    flat = {}
    for group, value in expanded.items():
        flat.update(
            {f"{group}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {group: value}
        )
    assert flat == {**resolve_hardware().values, "preset": "ixp2400-600", "sram.idle_latency": 100}


NAMES = ["a", "b1", "x-y", "Z_"]
PLACES = st.fixed_dictionaries(
    {"memory": st.sampled_from(["scratch", "sram0", "sram1", "dram", "local"])}, optional={"pin": st.booleans()}
) | st.sampled_from(["scratch", "sram0", "sram1", "dram", "local"])
PLACEMENT = st.dictionaries(st.sampled_from(["s", "t_1", "_u"]), PLACES)
ENGINE_SPLIT = st.permutations([engine_name(number) for number in range(8)])
GENERATED = st.fixed_dictionaries(
    {"generator": st.sampled_from(["zipf", "uniform"])},
    optional={
        "rate": st.sampled_from(["line", "back-to-back", "2.5 Gb/s", 1000, 0.5]),
        "sizes": st.just("imix") | st.integers(64, 1522) | st.just([[64, 7], [1518, 1]]),
        "flows": st.integers(1, 2**24),
        "zipf_s": st.floats(0, 99),
        "train_packets": st.integers(1, 100),
        "destinations": st.just(["10.0.0.0/8", "0.0.0.0/0"]),
        "back_pressure": st.booleans(),
        "spread": st.sampled_from(["flow", "round-robin"]),
    },
)
REPLAYED = st.fixed_dictionaries(
    {"pcap": st.just("trace.pcap")},
    optional={
        "repeat": st.integers(0, 9),
        "allow_truncated": st.booleans(),
        "rate": st.sampled_from(["line", "recorded"]),
    },
)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    chips: dict[str, Any] = {}
    for name in names:
        chip: dict[str, Any] = {"placement": draw(PLACEMENT)}
        if draw(st.booleans()) and chips:
            chip["like"] = draw(st.sampled_from(list(chips)))
        else:
            engines, at = draw(ENGINE_SPLIT), draw(st.integers(1, 7))
            chip |= {"ports": ["1GbE"] * draw(st.integers(3, 16)), "engines": {"p": engines[:at], "q": engines[at:]}}
        chips[name] = chip
    cable = {"between": [f"{names[0]}.1", f"{names[-1]}.2"], "latency_ns": draw(st.integers(3, 80_000))}
    return {
        "schema": 1,
        "run": {"offered_packets": draw(st.integers(2, 2**32)), "seed": draw(st.integers(0, 2**63 - 1))},
        "hardware": {
            "preset": draw(st.sampled_from(sorted(PRESETS))),
            "sram": {"idle_latency": draw(st.integers(60, 1_000))},
        },
        "programs": {
            "p": {"source": "rx.uc", "define": {"N": draw(st.integers(-(2**31), 2**32 - 1)), "S": draw(st.text())}},
            "q": {"source": "code/forward.uc", "tables": {"routes": "routes.toml"}},
        },
        "chips": chips,
        "links": {"l": cable} if draw(st.booleans()) else {},
        "traffic": {"into": [f"{names[0]}.0"], **draw(GENERATED | REPLAYED)},
        "placement": draw(PLACEMENT),
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(document=configurations())
def test_the_expanded_form_loads_to_the_same_configuration(directory: Path, document: dict[str, Any]) -> None:
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in document.items())
    config = load(directory, text)
    assert reload(directory, config) == config


def test_decoding_needs_no_compiler(directory: Path) -> None:
    script = "import sys, ixp_emu.cluster.config; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_traffic_reaches_its_generator(directory: Path) -> None:
    traffic = pytest.importorskip("ixp_emu.cluster.traffic")
    config = load(directory, TEXT, "traffic.zipf_s=0.5", "run.seed=9")
    assert config.traffic_spec() == traffic.TrafficSpec(
        generator="zipf", into=("a.0",), sizes="imix", zipf_s=0.5, packets=20_000, seed=9
    )
