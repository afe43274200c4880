"""Where patients are simulated: processes of this computer, or of a cluster that a YAML file describes.

Each is a context that gives a Dask client. What Dask sends is pickled, so whoever can connect to its scheduler can run
code: clusters that `vct` starts speak TLS with certificates made for the run. A cluster file holds no shell lines, so
that a stranger's file can ask for machines but not run a program.
"""

from __future__ import annotations

import logging
import re
import typing
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vct.devices import gpus, memory_bytes
from vct.errors import ClusterError
from vct.part import Part, one_of
from vct.yamlfile import check, read

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Of every process beside others: one numerical thread, since the cores are taken by patients."""
ENVIRONMENT = ONE_THREAD | {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""Of workers; Dask keeps quiet."""
CONFIG = {
    "distributed.scheduler.allowed-failures": 3,
    "distributed.admin.low-level-log-length": 0,
    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
}
"""A patient whose worker dies is tried on three more; Dask's own histories, which grow with the tasks, are not kept."""

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,:@/+-]*$", max_length=200)]
Directive = Annotated[
    str, Field(pattern=r"^-{1,2}[A-Za-z][A-Za-z0-9_-]*([= ][A-Za-z0-9_.,:=@/%+\[\]-]+)?$", max_length=200)
]


class Cluster(typing.Protocol):
    """Where processes come from."""

    def connect(self) -> AbstractContextManager[Any]:
        """A `distributed.Client` for as long as the block runs. Raises ClusterError when there is none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """`workers` processes here, each started again when it dies; where there are GPUs, each sees one of them."""

    workers: int

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """See `Cluster.connect`."""
        from distributed import Nanny, Scheduler, Security, SpecCluster

        security = Security.temporary()
        here = {"host": "127.0.0.1", "dashboard": False, "security": security}
        room = {"nthreads": 1, "memory_limit": memory_bytes() // self.workers}
        devices = [device.index for device in gpus()]
        workers = {
            number: {"cls": Nanny, "options": {**here, **room, "env": _one_of(devices, number)}}
            for number in range(self.workers)
        }
        scheduler = {"cls": Scheduler, "options": {**here, "port": 0, "dashboard_address": "127.0.0.1:0"}}
        with (
            _settled(),
            SpecCluster(workers=workers, scheduler=scheduler, security=security) as cluster,
            _client(cluster, security) as client,
        ):
            yield client


class Running(Part):
    """A Dask cluster that runs already. Its workers need this version of `vct`; start them with `--nthreads 1`."""

    kind: Literal["running"] = "running"
    address: str = Field(pattern=r"^(tcp|tls)://[A-Za-z0-9.:\[\]-]+:\d{1,5}$")
    ca_file: Path | None = Field(default=None, description="certificates of a tls:// cluster, PEM")
    cert_file: Path | None = None
    key_file: Path | None = None

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """See `Cluster.connect`."""
        from distributed import Security

        files = {"tls_ca_file": self.ca_file, "tls_client_cert": self.cert_file, "tls_client_key": self.key_file}
        named = {key: str(path) for key, path in files.items() if path is not None}
        security = Security(require_encryption=True, **named) if self.address.startswith("tls:") else None
        with _settled(), _client(self.address, security) as client:
            yield client


class _Batch(Part):
    """Jobs of a batch system, one worker each; a job that is lost is submitted again."""

    jobs: int = Field(ge=1, le=10_000, description="workers at most, one a job")
    memory: str = Field(default="4GB", pattern=r"^\d+ ?[KMGT]i?B$")
    walltime: str = Field(
        default="08:00:00", pattern=r"^(\d{1,3}-)?\d{1,3}:[0-5]\d:[0-5]\d$", description="[days-]hours:minutes:seconds"
    )
    queue: Word | None = None
    account: Word | None = None
    directives: tuple[Directive, ...] = Field(default=(), max_length=20, description="such as --gres=gpu:1")
    modules: tuple[Word, ...] = Field(default=(), max_length=20, description="loaded before a worker starts")
    interface: Word | None = Field(default=None, description="network interface on which workers find the scheduler")
    log_folder: Path | None = Field(default=None, description="what the jobs print; kept nowhere when left out")

    _class: ClassVar[str]
    _account: ClassVar[str] = "account"

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """See `Cluster.connect`."""
        try:
            import dask_jobqueue
        except ImportError:
            raise ClusterError("batch systems need dask-jobqueue; install vct[cluster]") from None
        from distributed import Security

        security = Security.temporary()
        lines = [f"export {name}={value}" for name, value in ENVIRONMENT.items()]
        made = getattr(dask_jobqueue, self._class)(
            cores=1,
            processes=1,
            memory=self.memory,
            walltime=self._clock(),
            queue=self.queue,
            job_extra_directives=list(self.directives),
            job_script_prologue=[*lines, *(f"module load {name}" for name in self.modules)],
            interface=self.interface,
            log_directory=None if self.log_folder is None else str(self.log_folder),
            security=security,
            shared_temp_directory=str(Path.home()),
            scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            **{self._account: self.account},
        )
        with _settled(), made as cluster:
            cluster.adapt(minimum_jobs=0, maximum_jobs=self.jobs)
            with _client(cluster, security) as client:
                yield client

    def _clock(self) -> str:
        """The wall time as the batch system wants it, days taken for hours."""
        days, _, clock = self.walltime.rpartition("-")
        hours, rest = clock.split(":", 1)
        return f"{24 * int(days or 0) + int(hours):02d}:{rest}"


class Slurm(_Batch):
    """Jobs of Slurm."""

    kind: Literal["slurm"] = "slurm"
    _class = "SLURMCluster"


class Pbs(_Batch):
    """Jobs of PBS."""

    kind: Literal["pbs"] = "pbs"
    _class = "PBSCluster"


class Lsf(_Batch):
    """Jobs of LSF; `account` is its project."""

    kind: Literal["lsf"] = "lsf"
    _class = "LSFCluster"
    _account = "project"

    def _clock(self) -> str:
        """LSF counts hours and minutes."""
        return super()._clock()[:-3]


CLUSTERS = (Slurm, Pbs, Lsf, Running)


class ClusterFile(Part):
    """What a file for `vct run --cluster` holds."""

    cluster: one_of(CLUSTERS)  # type: ignore[valid-type]


def load_cluster(named: str) -> Cluster:
    """The cluster at an address (tcp://host:port, tls://...) or in a YAML file.

    Raises SpecError with every broken rule of the file and its place.
    """
    if re.match(r"(tcp|tls)://", named):
        return Running.model_validate({"address": named})
    path = Path(named)
    found: Cluster = check(ClusterFile, read(path), path.parent).cluster
    return found


@contextmanager
def _client(where: Any, security: Any) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(where, security=security)
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"no Dask scheduler answers at {where} ({error})") from None
    with client:
        yield client


@contextmanager
def _settled() -> Iterator[None]:
    """Dask's settings for a run; its own log only speaks of what is lost for good."""
    import dask

    with dask.config.set(CONFIG):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        yield


def _one_of(devices: list[str], number: int) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {}
