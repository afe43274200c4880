"""`Bodies`: an engine's scans, looked at for plausibility, and drawn anew where the protocol asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vct.engine.base import Engine
from vct.plausibility import Finding, Plausibility, Screened, findings, look
from vct.records import Scan, Snapshot
from vct.rng import stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Scans of some patients, `together` at a time; `screened` gathers by patient's key what is seen of them.

    A patient keeps at every visit the body that the first one settled on. A body drawn anew has a seed of its own,
    named after the patient and the attempt, so that it too is the same wherever and in whatever order it is made.
    """

    engine: Engine
    rule: Plausibility
    seed: int
    together: int = 1
    screened: dict[str, Screened] = field(default_factory=dict)

    def scans(self, snapshots: Sequence[Snapshot]) -> Iterator[Scan]:
        """Scans of the snapshots, in their order."""
        first = [item for item in snapshots if not self._attempt(item)]
        made = dict(zip(map(id, first), self._generated(first), strict=True))
        for snapshot in snapshots:
            yield self._settled(snapshot, made.get(id(snapshot)))

    def _generated(self, snapshots: Sequence[Snapshot]) -> Sequence[Scan]:
        many = getattr(self.engine, "generate_many", None)
        if many is not None and self.together > 1:
            found: Sequence[Scan] = many(snapshots, self.seed)
            return found
        return [self.engine.generate(snapshot, self.seed) for snapshot in snapshots]

    def _settled(self, snapshot: Snapshot, scan: Scan | None) -> Scan:
        """The scan of the patient's own body, which is settled here where this is the first visit."""
        before, attempt = self.screened.get(snapshot.patient.key), self._attempt(snapshot)
        if scan is None or attempt:
            scan = self._again(snapshot, attempt)
        wrong = self._wrong(scan, attempt)
        while wrong and before is None and attempt < self.rule.redraw:
            attempt += 1
            scan = self._again(snapshot, attempt)
            wrong = self._wrong(scan, attempt)
        self.screened[snapshot.patient.key] = Screened(
            findings=(*(before.findings if before else ()), *wrong),
            redrawn=attempt,
            look=before.look if before else look(scan.labels),
        )
        return scan

    def _attempt(self, snapshot: Snapshot) -> int:
        before = self.screened.get(snapshot.patient.key)
        return before.redrawn if before else 0

    def _again(self, snapshot: Snapshot, attempt: int) -> Scan:
        rng = stream(self.seed, snapshot.patient.id, "redraw", str(attempt))
        return self.engine.generate(snapshot, int(rng.integers(2**62)))

    def _wrong(self, scan: Scan, attempt: int) -> list[Finding]:
        return findings(scan, getattr(self.engine, "learned", None), attempt)
