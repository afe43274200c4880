"""Courses: what disease and treatment do to a patient's lesions. A new one is a class with `at`, and one word here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.course.disease import Disease
from vct.course.healthy import Healthy
from vct.course.history import History
from vct.course.metastatic import Metastatic
from vct.course.treatment import Effect, Treatment
from vct.part import one_of, plugins

COURSES = (Healthy, Metastatic, *plugins("courses"))

if TYPE_CHECKING:
    from vct.course.base import Course as AnyCourse
else:
    AnyCourse = one_of(COURSES)

__all__ = ["COURSES", "AnyCourse", "Disease", "Effect", "Healthy", "History", "Metastatic", "Treatment"]
