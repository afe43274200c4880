import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from vct.rng import stream

names = st.lists(st.text(max_size=8), max_size=4)


@given(st.integers(0, 2**63 - 1), names)
def test_a_name_gives_the_same_draws(seed: int, path: list[str]) -> None:
    assert (stream(seed, *path).random(4) == stream(seed, *path).random(4)).all()


@given(st.integers(0, 2**63 - 1), names, names)
def test_other_names_give_other_draws(seed: int, one: list[str], other: list[str]) -> None:
    if "\x1f".join(one) != "\x1f".join(other):
        assert (stream(seed, *one).random(4) != stream(seed, *other).random(4)).any()


def test_another_process_draws_the_same() -> None:
    code = "from vct.rng import stream; print(stream(3, 'P0001', 'body').integers(0, 2**40))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == stream(3, "P0001", "body").integers(0, 2**40)
