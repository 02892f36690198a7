"""What a plan costs before anything is built: seconds, bytes, joules, money, from hardware descriptions alone.

`workload.py` says what is computed, `device.py` and `network.py` what the hardware does, `step.py` what a plan takes,
`search.py` which plan is best. `docs/cost.md` explains the model and its limits.
"""
