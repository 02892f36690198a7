"""Whether and how this process was started by an MPI launcher."""

from __future__ import annotations

from collections.abc import Mapping

SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PMIX_RANK")
"""Set by the launchers of MPICH, Open MPI, Intel MPI and by PMIx."""


def started_by_mpi(environment: Mapping[str, str]) -> bool:
    """True in a process of `mpiexec`; importing mpi4py outside one would start a lone MPI world."""
    return any(name in environment for name in SIZE_VARIABLES)
