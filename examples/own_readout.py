"""How do I write a readout of my own? The share of a patient's lesions that are hotter than the liver."""

from typing import Literal

import vct
from vct.readout.base import Readout
from vct.readout.heat import lesion_peak
from vct.readout.reader import study_of
from vct.readout.regions import percist_region
from vct.readout.truth import lesions_in_view
from vct.records import Reading, Scan


class HotShare(Readout):
    """Share of lesions whose SUVpeak exceeds `times` the liver's mean. Truth: the same of the planted uptakes."""

    kind: Literal["hot_share"] = "hot_share"
    times: float = 1.5

    @property
    def default_name(self) -> str:
        """The name with its threshold."""
        return f"hot_share_{self.times:g}_liver"

    @property
    def unit(self) -> str:
        """A fraction."""
        return "1"

    def measure(self, scan: Scan) -> Reading:
        """Count on the image and in truth."""
        marks, lesions, liver = study_of(scan).marks, lesions_in_view(scan), percist_region(scan, "liver")
        if not marks or not lesions or liver is None:
            return self.reading(scan, None, None)
        level = self.times * float(liver.values(scan.pet.data).mean())
        true_level = self.times * scan.planted_suv["liver"]
        seen = sum(lesion_peak(scan, mark) > level for mark in marks)
        true = sum(lesion.suv > true_level for lesion in lesions)
        return self.reading(scan, seen / len(marks), true / len(lesions))


readouts = (HotShare(), HotShare(times=3.0))
protocol = vct.load("test_retest").model_copy(
    update={"readouts": readouts, "endpoints": (), "analyses": (), "sample_size": 4}
)
result = vct.run(protocol, vct.make_engine("phantom", 8.0))
for reading in result.readings:
    if reading.value is None or reading.truth is None:
        continue
    print(f"{reading.patient} {reading.visit:>6} {reading.readout}: {reading.value:.2f}, in truth {reading.truth:.2f}")
