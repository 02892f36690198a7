"""What a description means once loaded, one file per kind of record; `model.py` is the door."""
