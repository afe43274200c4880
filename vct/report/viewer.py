"""The viewer: one HTML page a patient that shows two scans side by side with linked cursors, without a network."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vct.report.html import asset, embedded, policy, template

if TYPE_CHECKING:
    import pandas as pd

NIIVUE = Path(__file__).with_name("assets") / "niivue.umd.js.gz"
LICENCES = NIIVUE.with_name("niivue.LICENSES.txt")
MOST_SCANS = 3
LESION_COLUMNS = ("organ", "is_new", "diameter_mm", "planted_suv", "suv_max")


def viewer_pages(scans: Sequence[Mapping[str, Any]], title: str) -> dict[str, str]:
    """The pages by file name, for packed scans that are in order of patient and day.

    A page holds at most `MOST_SCANS` scans: the first, the last and one between them.
    """
    pages = {}
    for (patient, arm), group in groupby(scans, key=lambda scan: (scan["patient"], scan["arm"])):
        own = list(group)
        shown = own if len(own) <= MOST_SCANS else [own[0], own[len(own) // 2], own[-1]]
        pages[file_name(patient, arm)] = _page(shown, len(own) - len(shown), title)
    return pages


def file_name(patient: str, arm: str) -> str:
    """What a patient's viewer is called; a name cannot leave its folder."""
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in f"{patient}-{arm}" if letter)
    return f"{safe.strip('.-')}.html"


def lesions(scans: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a lesion of a packed scan: what was planted and the SUVmax seen."""
    import pandas as pd

    rows = [
        (scan["patient"], scan["arm"], scan["visit"], lesion["id"], *(lesion[name] for name in LESION_COLUMNS))
        for scan in scans
        for lesion in scan["lesions"]
    ]
    return pd.DataFrame(rows, columns=["patient", "arm", "visit", "lesion", *LESION_COLUMNS])


def _page(scans: Sequence[Mapping[str, Any]], left_out: int, title: str) -> str:
    style = asset("style.css") + asset("viewer.css")
    script = asset("viewer.js")
    first = scans[0]
    page = template("viewer.html.j2").render(
        title=title,
        patient=first["patient"],
        arm=first["arm"],
        engine=first["engine"],
        scans=scans,
        left_out=left_out,
        lesion_ids=list(dict.fromkeys(lesion["id"] for scan in scans for lesion in scan["lesions"])),
        policy=policy(style, [_niivue(), script], "connect-src data: blob:; worker-src blob:"),
        style=style,
        script=script,
        niivue=_niivue(),
        data=embedded(list(scans)),
    )
    return str(page)


@cache
def _niivue() -> str:
    """NiiVue as one script, under the licences of all it contains."""
    script = gzip.decompress(NIIVUE.read_bytes()).decode()
    return f"/*\n{LICENCES.read_text(encoding='utf-8')}\n*/\n{script}".replace("</script", "<\\/script")
