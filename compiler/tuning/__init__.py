"""Tiles by measurement: a database of how fast kernels ran with which tiles, and the search that fills it.

Never needed: without entries the compiler takes what its cost model chooses. A choice found here is an attribute of the
kernel before it is tiled (`schedule/chosen.py`), and passes the same checks.
"""
