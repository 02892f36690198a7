"""The parameter store of `stratagem.runtime.parameters`, under the name that the compiler's parts use."""

from stratagem.runtime.parameters import SAFETENSORS_DTYPES, ParameterStore

__all__ = ["SAFETENSORS_DTYPES", "ParameterStore"]
