"""How soon does untreated lung cancer progress on PET? The course alone answers it; no scan is needed."""

import vct

DAYS = (0, 30, 60, 90, 180)
PEOPLE = 200
protocol = vct.load("nsclc_metabolic_response")

print("day  volume  new lesions   progressed (volume x 1.75 or a new lesion)")
for day in DAYS:
    ratios, new, progressed = [], 0, 0
    for number in range(PEOPLE):
        person = vct.Patient(id=f"P{number:04d}", sex="F", age_years=65, height_cm=165, weight_kg=70, arm="none")
        start, later = (
            protocol.course.at(person, vct.Visit(name=f"day {when}", day=when), protocol.seed) for when in (0, day)
        )
        before = sum(lesion.volume_ml for lesion in start.lesions)
        ratio = sum(lesion.volume_ml for lesion in later.lesions if not lesion.is_new) / before
        appeared = sum(lesion.is_new for lesion in later.lesions)
        ratios.append(ratio)
        new += appeared
        progressed += ratio >= 1.75 or appeared > 0
    median = sorted(ratios)[PEOPLE // 2]
    print(f"{day:>3} {median:>6.2f}x {new / PEOPLE:>12.2f} {100 * progressed / PEOPLE:>12.0f} %")
