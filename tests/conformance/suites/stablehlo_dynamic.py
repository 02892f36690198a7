"""StableHLO's test data with free sizes: the files hold no values, so a case passes when it compiles."""

from __future__ import annotations

from tests.conformance.suites.stablehlo import texts

TITLE = "StableHLO test data, free sizes (compiled only)"
SOURCE = "openxla/stablehlo, stablehlo/testdata/dynamic"
FLOOR = 0.8
FOLDER = "dynamic/"


def names() -> list[str]:
    return [name for name in texts() if name.startswith(FOLDER)]


def run(name: str) -> None:
    import stratagem as sg
    from stratagem.compiler.frontends.stablehlo import load_stablehlo

    sg.compile(load_stablehlo(texts()[name].encode()), target="cpu")
