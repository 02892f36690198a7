"""The version of this package, for artifacts and the command line."""

VERSION = "0.1.0"
