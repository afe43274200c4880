"""Endpoints: from the readings of one patient to the trial's outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.endpoint.categorical import Percist, Response
from vct.endpoint.change import AbsoluteChange, LogRatio, PercentChange, Value
from vct.endpoint.deauville import Deauville, Lugano
from vct.endpoint.eortc import DeltaSuvMax, Eortc
from vct.endpoint.recist import BestOverallResponse, Recist
from vct.endpoint.survival import ProgressionTime
from vct.part import one_of, plugins

ENDPOINTS = (
    AbsoluteChange,
    PercentChange,
    LogRatio,
    Value,
    Percist,
    Response,
    Eortc,
    DeltaSuvMax,
    Deauville,
    Lugano,
    Recist,
    BestOverallResponse,
    ProgressionTime,
    *plugins("endpoints"),
)

if TYPE_CHECKING:
    from vct.endpoint.base import Endpoint as AnyEndpoint
else:
    AnyEndpoint = one_of(ENDPOINTS)

__all__ = ["ENDPOINTS", "AnyEndpoint"]
