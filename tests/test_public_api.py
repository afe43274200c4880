"""The public face: what it holds, that it is quick and light to import, and that every docstring example runs."""

import subprocess
import sys

import vct


def test_all_names_are_there() -> None:
    assert sorted(vct.__all__) == vct.__all__
    assert all(getattr(vct, name) for name in vct.__all__)
    assert len(vct.__all__) <= 18


def test_importing_loads_nothing_heavy() -> None:
    code = "import vct, sys; print([name for name in sys.modules if name.split('.')[0] in HEAVY])"
    heavy = "HEAVY = {'torch', 'monai', 'scipy', 'pandas', 'statsmodels', 'pyarrow', 'altair', 'pydantic', 'nibabel'}; "
    shown = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_help_loads_no_numerics() -> None:
    code = "import sys; from vct import cli; print('numpy' in sys.modules, 'pydantic' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[0] == "False"


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(vct, "nonsense")
