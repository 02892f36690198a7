"""Measures this machine: what its units and memories reach, as a calibration file that predictions use.

Programs are a few loops in LLVM assembly, made for the processor by the code generator that makes kernels (`loops.py`),
and kernels that the compiler makes itself (`kernels.py`). `store.py` keeps the file and lays it over the description.
"""
