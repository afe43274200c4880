import subprocess
import sys
from pathlib import Path

import pytest

from vct.engine.cascade import door
from vct.engine.cascade.door import CascadeDoor, weights_folder
from vct.errors import InputError


def test_naming_the_engine_imports_no_torch():
    code = "import vct.engine.cascade.door, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_user_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("vct.engine.cascade.") and "door" not in name]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"needs torch: pip install 'vct\[cascade\]'"):
        CascadeDoor.from_spec(str(tmp_path), None)


def test_without_a_folder_the_shipped_weights_are_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(door, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match="ships no cascade weights"):
        weights_folder(None)
    (tmp_path / "anatomy-00001-of-00001.safetensors").touch()
    assert weights_folder(None) == tmp_path
    with pytest.raises(InputError, match="no such folder"):
        weights_folder(Path("nowhere"))
