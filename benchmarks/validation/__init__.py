"""Predictions of the cost model beside published measurements: `python -m benchmarks.validation`.

Every row is data (`rows/*.yaml`) with its source; what predicts a row is a function of `predictors.py`. Nothing is
fitted to a row: what a prediction rests on stands in the hardware library.
"""
