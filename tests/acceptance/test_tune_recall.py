"""`bench/tune_recall.py`: it runs, leaves each group out, and leaves the defaults as they were."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs/samples/flat-boat-bakery"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = ROOT / "bench/tune_recall.py"
    spec = importlib.util.spec_from_file_location("tune_recall", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tune_recall", module)
    spec.loader.exec_module(module)
    return module


def test_every_tuned_parameter_exists_and_is_tried_around_its_default(script: ModuleType) -> None:
    names = [parameter.name for parameter in script.PARAMETERS]
    assert len(set(names)) == len(names)
    for parameter in script.PARAMETERS:
        assert min(parameter.values) <= parameter.default <= max(parameter.values)
        with parameter.set_to(parameter.values[0]):
            assert parameter.default == parameter.values[0]
        assert parameter.default != parameter.values[0] or len(parameter.values) > 1


def test_it_tunes_on_the_sample(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tuned.json"
    [only, *_] = [parameter.name for parameter in script.PARAMETERS]
    before = script.PARAMETERS[0].default
    assert script.main([str(SAMPLE), "--only", only, "--output", str(file)]) == 0
    assert script.PARAMETERS[0].default == before
    found = json.loads(file.read_text("utf-8"))
    assert found["defaults"] == {only: before}
    groups = {f"{SAMPLE.name}/{group}" for group in ("flat", "boat", "bakery")}
    assert found["folds"]["by_group"].keys() == groups
    assert found["sensitivity"][only][f"{before:g}"]["recall@10"]["difference"] == 0
    assert "each question as it was left out" in capsys.readouterr().out


def test_an_unknown_parameter_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit):
        script.main([str(SAMPLE), "--only", "model.fusion.NOTHING"])
