"""The errors of `stratagem.runtime.errors`, under the name that the compiler's parts use."""

from stratagem.runtime.errors import (
    ArtifactError,
    HardwareError,
    ModelError,
    PassError,
    ResourceError,
    RuntimeInputError,
    SourceLocation,
    StratagemError,
    UnsupportedError,
    UsageError,
    VerificationError,
)

__all__ = [
    "ArtifactError",
    "HardwareError",
    "ModelError",
    "PassError",
    "ResourceError",
    "RuntimeInputError",
    "SourceLocation",
    "StratagemError",
    "UnsupportedError",
    "UsageError",
    "VerificationError",
]
