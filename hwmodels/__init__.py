"""Hardware as data: devices and systems described in YAML, loaded into plain records in base SI units.

    from stratagem.hwmodels import load_machine
    machine = load_machine("cpu")            # this machine, probed
    machine = load_machine("my-device.yaml") # a file, or a name of the library (see `list_models`)

Importing this package reads nothing; parsers are loaded with the first file.
"""

from __future__ import annotations

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.load import (
    ModelInfo,
    check_file,
    dump_machine,
    list_models,
    load_calibration,
    load_device,
    load_machine,
    load_variants,
)
from stratagem.hwmodels.model import (
    Calibration,
    Collectives,
    Device,
    Edge,
    Function,
    Level,
    LibraryCall,
    Link,
    Machine,
    Member,
    Path,
    Pins,
    Power,
    Primitive,
    Sparse,
    Switch,
    System,
    Tier,
    Unit,
)
from stratagem.hwmodels.need import MissingNumberError, needed
from stratagem.hwmodels.trust import Provenance, least_trusted

__all__ = [
    "Calibration",
    "Collectives",
    "Device",
    "Edge",
    "Function",
    "HardwareFileError",
    "Level",
    "Link",
    "Machine",
    "Member",
    "MissingNumberError",
    "ModelInfo",
    "Path",
    "Pins",
    "Place",
    "Power",
    "Primitive",
    "Problem",
    "Provenance",
    "Sparse",
    "Switch",
    "System",
    "Tier",
    "LibraryCall",
    "Unit",
    "check_file",
    "dump_machine",
    "least_trusted",
    "list_models",
    "load_calibration",
    "load_device",
    "load_machine",
    "load_variants",
    "needed",
]
