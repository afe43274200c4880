"""What would the same patients have done on the other arm? Counterfactual twins, one line a person."""

from statistics import mean

import vct

protocol = vct.load("counterfactual_twins").model_copy(update={"sample_size": 4})
result = vct.run(protocol, vct.make_engine("phantom", 8.0))

suv_peak = {(r.patient, r.arm, r.visit): r.value for r in result.readings if r.readout == "suv_peak"}
changes = {
    (patient, arm): 100 * (suv_peak[patient, arm, "week3"] / suv_peak[patient, arm, "baseline"] - 1)
    for patient, arm, _ in suv_peak
}
people = sorted({patient for patient, _ in changes})

print("change of SUVpeak in three weeks   untreated  erlotinib   benefit")
for person in people:
    untreated, treated = changes[person, "untreated"], changes[person, "erlotinib"]
    print(f"{person:>32} {untreated:>9.0f} % {treated:>8.0f} % {untreated - treated:>7.0f} points")

benefit = mean(changes[person, "untreated"] - changes[person, "erlotinib"] for person in people)
print(f"mean benefit: {benefit:.0f} points")
