import subprocess
import sys

import pytest

from vct.engine.cascade.door import CascadeDoor
from vct.errors import InputError


def test_naming_the_engine_imports_no_torch():
    code = "import vct.engine.cascade.door, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_user_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("vct.engine.cascade.") and "door" not in name]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match="needs torch"):
        CascadeDoor.from_spec("weights", None)
