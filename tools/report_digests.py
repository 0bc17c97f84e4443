"""Renew the digests of the examples' reports: ``python -m tools.report_digests "why the model changed"``.

What the model determines of a report is the same on every machine. ``tests/digests/reports.toml`` holds a digest of it
for every example, with the reason that was given when it last changed; beside it lie the reports themselves,
compressed, so that ``tests/test_digests.py`` can say what has changed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ixp_emu.cluster.config import load_config
from ixp_emu.cluster.run import ClusterRun
from ixp_emu.report.build import build_report
from ixp_emu.report.model import encode_report
from tools.refresh_docs import ROOT

__all__ = ["EXAMPLES", "FOLDER", "Digests", "differences", "digest_of", "main", "model_part", "report_of"]

EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.toml"))}
FOLDER = ROOT / "tests" / "digests"
_HOST = ("wall_seconds", "instructions_per_second", "slowdown")
"""Keys of ``run`` that depend on the host."""
_ABSENT = "nothing"


class Digests:
    """The digests of a folder.

    Attributes:
        digests: example -> SHA-256 of the model's part of its report, hexadecimal.
        reasons: example -> why that is not what it was before.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = folder / "reports.toml"
        tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.digests: dict[str, str] = {name: table["sha256"] for name, table in tables.items()}
        self.reasons: dict[str, str] = {name: table["renewed_for"] for name, table in tables.items()}

    def report(self, name: str) -> Any:
        """The model's part of an example's report, as it was when its digest was taken."""
        return json.loads(gzip.decompress(self._path(name).read_bytes()))

    def set(self, name: str, part: Any, reason: str) -> bool:
        """Take up a report; whether it is another than before."""
        if self.digests.get(name) == digest_of(part):
            return False
        self.digests[name], self.reasons[name] = digest_of(part), reason
        self._path(name).write_bytes(gzip.compress(_text(part).encode(), mtime=0))
        return True

    def write(self) -> None:
        """Write the table. Examples that are gone go."""
        lines = ['# Made by: python -m tools.report_digests "why the model changed"']
        for name in sorted(self.digests.keys() & EXAMPLES.keys()):
            reason = json.dumps(self.reasons[name], ensure_ascii=False)
            lines += ["", f"[{name}]", f'sha256 = "{self.digests[name]}"', f"renewed_for = {reason}"]
        (self._folder / "reports.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name in self.digests.keys() - EXAMPLES.keys():
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json.gz"


def report_of(name: str) -> Any:
    """Run an example; gives the model's part of its report."""
    run = ClusterRun(load_config(EXAMPLES[name]))
    try:
        run.run()
        return model_part(json.loads(encode_report(build_report(run.result()))))
    finally:
        run.machine.close()


def model_part(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what depends on the host, the version or where files lie; of its configuration the hardware."""
    part = {key: value for key, value in report.items() if key not in ("version", "config", "run")}
    run = {key: value for key, value in report["run"].items() if key not in _HOST}
    text = _text({"hardware": report["config"]["hardware"], "run": run, **part})
    return dict(json.loads(text.replace(f"{ROOT}{os.sep}", "")))


def digest_of(part: Any) -> str:
    """SHA-256 of the model's part of a report, hexadecimal."""
    return hashlib.sha256(_text(part).encode()).hexdigest()


def _text(part: Any) -> str:
    return json.dumps(part, separators=(",", ":"), ensure_ascii=False)


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two reports differ, in the order of the report: ``path: value, was value``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}" if path else key
            yield from differences(before.get(key, _ABSENT), now.get(key, _ABSENT), inner)
    elif isinstance(before, list) and isinstance(now, list):
        for index in range(max(len(before), len(now))):
            left, right = (items[index] if index < len(items) else _ABSENT for items in (before, now))
            yield from differences(left, right, f"{path}[{index}]")
    elif before != now or type(before) is not type(now):
        yield f"{path}: {_short(now)}, was {_short(before)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if value != _ABSENT else _ABSENT
    return text if len(text) <= 60 else text[:57] + "..."


def main(arguments: Sequence[str], folder: Path = FOLDER) -> int:
    """Renew the digests; returns the exit code."""
    reason = " ".join(" ".join(arguments).split())
    if not reason:
        print('say why the model changed: python -m tools.report_digests "REASON"', file=sys.stderr)
        return 2
    digests = Digests(folder)
    for name in EXAMPLES:
        changed = digests.set(name, report_of(name), reason)
        print(f"{name}: {'renewed' if changed else 'unchanged'}")
    digests.write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
