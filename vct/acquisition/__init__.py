"""Acquisition: what the scanner and the day's session make of the engine's scan."""

from __future__ import annotations

from vct.acquisition.acquisition import Acquisition
from vct.acquisition.scanners import SCANNERS, AnyScanner, Scanner

__all__ = ["SCANNERS", "Acquisition", "AnyScanner", "Scanner"]
