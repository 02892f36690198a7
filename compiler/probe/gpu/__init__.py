"""Measures a GPU by kernels that the `gpu` backend makes.

`programs.py` compiles the kernels for a description, anywhere; `tasks.py` says what each of them does; `clocks.py` and
`simulated.py` tell how long one takes; `measure.py` turns times into figures. Only `programs.py` and `simulated.py`
need more than numpy and a driver.
"""
