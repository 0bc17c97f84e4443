"""Programs from object files: the same machine as from their sources, and refused where they do not belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ixp_emu.assembler import Location, Program, assemble, parse, write_elf
from ixp_emu.cluster.build import ChipImage, build_images
from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.errors import InputError
from tests.cluster.forwarder import ROOT, report_of
from tests.report.tiny import write_cluster

SOURCES = {
    "rx": "builtin:firmware/rx.uc",
    "forward": "builtin:services/forward/forward.uc",
    "tx": "builtin:firmware/tx.uc",
}
CHIP = f"""
schema = 1
[run]
offered_packets = 300
warmup_packets = 50
[programs]
rx = {{ source = "{SOURCES["rx"]}" }}
forward = {{ source = "{SOURCES["forward"]}", tables = {{ routes = "{ROOT}/examples/routes/b.toml" }} }}
tx = {{ source = "{SOURCES["tx"]}" }}
[chips.a]
ports = ["1GbE", "1GbE"]
engines = {{ rx = ["0:0"], forward = ["0:1", "0:2"], tx = ["1:3"] }}
[traffic]
generator = "zipf"
into = ["a.0"]
rate = "line"
sizes = "imix"
[placement]
flow_table = "sram1"
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(CHIP)
    return tmp_path / "cluster.toml"


def image_of(cluster: Path, *overrides: str) -> ChipImage:
    return build_images(load_config(cluster, overrides=overrides))["a"]


def objects(cluster: Path, locations: Mapping[str, Location]) -> list[str]:
    """Assembles the three programs for these locations; the overrides that run the objects."""
    image = image_of(cluster)
    overrides = []
    for name, source in SOURCES.items():
        parsed = parse(source, defines=image.programs[name].defines, include_dirs=["builtin:"])
        mine = {item.name: locations[item.name] for item in parsed.structures}
        file = cluster.with_name(f"{name}.elf")
        write_elf(assemble(parsed, locations=mine), file)
        overrides.append(f"programs.{name}.source={file}")
    return overrides


def run_report(cluster: Path, *overrides: str) -> dict[str, Any]:
    """The report of a run, without the names of the program files."""
    run = ClusterRun(load_config(cluster, overrides=overrides))
    run.run()
    document = report_of(run)
    for program in document["config"]["programs"].values():
        del program["source"]
    return document


def where(image: ChipImage) -> dict[str, Location]:
    return {name: placed.location for name, placed in image.structures.items()}


def test_objects_for_given_addresses_run_as_their_sources(cluster: Path) -> None:
    """The service is found through the object, the words are the same, so is every number of the report."""
    overrides = objects(cluster, where(image_of(cluster)))
    before, after = image_of(cluster), image_of(cluster, *overrides)
    for name in SOURCES:
        assert after.programs[name].words == before.programs[name].words
        assert after.programs[name].lines == before.programs[name].lines
    expected = run_report(cluster)
    assert expected["run"]["fault"] is None and expected["traffic"]["delivered"] == 300
    assert run_report(cluster, *overrides) == expected


@pytest.mark.parametrize("flow_table", ["sram1", "sram0"])
def test_addresses_left_open_are_filled_in_at_load(cluster: Path, flow_table: str) -> None:
    """One object for any address, and for either SRAM channel; it forwards what the sources forward."""
    open_ = {name: replace(at, base=0, relocatable=True) for name, at in where(image_of(cluster)).items()}
    overrides = [*objects(cluster, open_), f"placement.flow_table={flow_table}"]
    image = image_of(cluster, *overrides)
    locations = where(image)
    assert locations["flow_table"].memory == flow_table
    assert locations["packet_buffers"].memory == "dram"
    for program in image.programs.values():
        assert not program.references
        assert program.locations == {name: locations[name] for name in program.locations}
    report = run_report(cluster, *overrides)
    assert (report["run"]["fault"], report["traffic"]["delivered"]) == (None, 300)


# --- what does not fit ----------------------------------------------------------------------------------------------

TABLE = ".structure table element_bytes=4 count=8 align=4 access=read sharing=chip\n"
PROGRAM = f"{TABLE}.reg a b\nimmed[b, SIZE]\nstate_base[a, table]\nalu[--, a, +, b]\nctx_arb[kill]\n"


def object_of(folder: Path, text: str, *, defines: Mapping[str, object], **locations: Location) -> Path:
    file = folder / "main.elf"
    write_elf(assemble(parse(text, defines=defines, name="main.uc"), locations=locations), file)
    return file


def refusal(tmp_path: Path, file: Path, *overrides: str) -> str:
    cluster = write_cluster(tmp_path, "ctx_arb[kill]\n")
    with pytest.raises(InputError) as caught:
        build_images(load_config(cluster, overrides=[f"programs.main.source={file}", *overrides]))
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_an_object_for_another_memory(tmp_path: Path) -> None:
    file = object_of(tmp_path, PROGRAM, defines={"SIZE": 1}, table=Location("sram0", relocatable=True))
    assert refusal(tmp_path, file, "placement.table=scratch") == (
        "main: structure table was assembled for sram0, it lives in scratch: assemble with --place table=scratch"
    )


def test_an_object_for_another_address(tmp_path: Path) -> None:
    file = object_of(tmp_path, PROGRAM, defines={"SIZE": 1}, table=Location("scratch", 0x40))
    assert refusal(tmp_path, file) == (
        "main: structure table was assembled for scratch at 0x40, it lives in scratch at 0x0: "
        "assemble with --place table=scratch:0x0"
    )


def test_an_object_with_other_defines(tmp_path: Path) -> None:
    open_ = Location("scratch", relocatable=True)
    file = object_of(tmp_path, PROGRAM, defines={"SIZE": 1, "PORTS": 9}, table=open_)
    assert refusal(tmp_path, file) == "main.elf: assembled with PORTS=9, the cluster says 1"
    file = object_of(tmp_path, PROGRAM, defines={"SIZE": 1}, table=open_)
    assert refusal(tmp_path, file, "programs.main.define.SIZE=2") == (
        "main.elf: assembled with SIZE=1, the cluster says 2"
    )
    assert refusal(tmp_path, file, "programs.main.define.OTHER=2") == (
        "main.elf: assembled without OTHER, the cluster says 2"
    )


IMPORTS = ".import_var i$size\n.reg a\nimmed[a, i$size]\nalu[--, --, B, a]\nctx_arb[kill]\n"


def words_with(tmp_path: Path, source: str, *overrides: str) -> Program:
    cluster = write_cluster(tmp_path, IMPORTS)
    config = load_config(cluster, overrides=[f"programs.main.source={source}", *overrides])
    return build_images(config)["a"].programs["main"]


@pytest.mark.parametrize("kind", ["source", "object"])
def test_import_variables_take_their_values_from_the_defines(tmp_path: Path, kind: str) -> None:
    (tmp_path / "imports.uc").write_text(IMPORTS)
    file = tmp_path / "imports.uc" if kind == "source" else object_of(tmp_path, IMPORTS, defines={})
    given = words_with(tmp_path, str(file), "programs.main.define.size=0xABCD")
    assert given.words == assemble(parse(IMPORTS, name="t.uc"), import_vars={"size": 0xABCD}).words
    with pytest.raises(InputError) as caught:
        words_with(tmp_path, str(file))
    assert str(caught.value).endswith(":3: import variable i$size has no value")


def test_a_damaged_object_names_its_file(tmp_path: Path) -> None:
    file = object_of(tmp_path, IMPORTS, defines={})
    file.write_bytes(file.read_bytes()[:-1])
    assert refusal(tmp_path, file) == "main.elf: a damaged object: its checksum does not match"
