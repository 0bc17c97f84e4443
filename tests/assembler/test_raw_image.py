"""Raw images: 5 bytes per word, most significant byte first."""

from __future__ import annotations

from pathlib import Path

import pytest

from ixp_emu.assembler import Location, assemble, parse, read_raw, write_raw
from ixp_emu.errors import InputError


def test_a_raw_image_of_known_words(tmp_path: Path) -> None:
    write_raw([0xE000020000, 0xF0000C0300], tmp_path / "t.raw")
    assert (tmp_path / "t.raw").read_bytes().hex() == "e000020000f0000c0300"
    assert read_raw(tmp_path / "t.raw") == [0xE000020000, 0xF0000C0300]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_raw(path)
    assert caught.value.file == str(path)
    return caught.value.message


def test_files_that_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "t"
    assert refusal(path) == "cannot be read: No such file or directory"
    path.write_bytes(b"")
    assert refusal(path) == "the file is empty"
    for length in (1, 4, 6, 7, 20_481):
        path.write_bytes(bytes(length))
        assert refusal(path) == f"neither an object nor a raw image: {length} bytes, there are 5 per word"


def test_an_image_is_at_most_a_control_store(tmp_path: Path) -> None:
    path = tmp_path / "t"
    write_raw([1] * 4_096, path)
    assert read_raw(path) == [1] * 4_096
    write_raw([1] * 4_097, path)
    assert refusal(path) == "4097 words: a control store has 4096"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".import_var i$x\n.reg a\nimmed[a, i$x]\n", "import variable i$x has no value"),
        (
            ".structure T element_bytes=4 count=1 access=read sharing=me\n.reg a\nstate_base[a, T]\n",
            "structure t has no address",
        ),
    ],
)
def test_what_is_not_linked_has_no_image(text: str, message: str, tmp_path: Path) -> None:
    program = assemble(parse(text, name="t.uc"), locations={"T": Location("dram", relocatable=True)})
    with pytest.raises(InputError) as caught:
        write_raw(program, tmp_path / "t")
    assert str(caught.value) == f"t.uc: a raw image cannot be linked, and {message}"
    assert not (tmp_path / "t").exists()
