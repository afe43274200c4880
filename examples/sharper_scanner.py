"""What does a sharper scanner buy? The same patients with small lesions, seen at three resolutions."""

from statistics import mean

import vct
from vct.acquisition import Acquisition
from vct.acquisition.scanners import FreeScanner, NoiseReference

PATIENTS = 2
protocol = vct.load("scanner_comparison").model_copy(update={"sample_size": PATIENTS})
engine = vct.make_engine("phantom", 4.0)

print(f"{'FWHM':>8} {'SUVmax':>8} {'SUVpeak':>8}   share of the true uptake, mean of {PATIENTS} patients")
for fwhm_mm in (9.0, 7.0, 5.0):
    scanner = FreeScanner(fwhm_mm=fwhm_mm, noise=NoiseReference(liver_cov=0.10), bed_minutes=2.0)
    result = vct.run(protocol.model_copy(update={"acquisition": Acquisition(scanner=scanner)}), engine)

    def recovered(readout: str, readings: tuple[vct.Reading, ...] = result.readings) -> float:
        """Mean share of the true uptake that a readout found."""
        return mean(r.value / r.truth for r in readings if r.readout == readout and r.value and r.truth)

    print(f"{fwhm_mm:>5.1f} mm {recovered('suv_max'):>8.2f} {recovered('suv_peak'):>8.2f}")
