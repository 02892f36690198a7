"""The public Python interface, re-exported by `stratagem`."""
