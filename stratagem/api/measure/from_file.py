"""A model file and its artifact as a subject to measure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.api.measure.subject import Subject, write_arrays
from stratagem.api.peers.convert import files_for
from stratagem.runtime.container import Container
from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]

CONVOLUTION = re.compile(r"linalg\.\w*conv_[123]d")


def subject_of(
    model: Path, artifact: Path, inputs: Mapping[str, Array], formats: Iterable[str], folder: Path
) -> Subject:
    """The model in all formats it can be had in, with float64 results by the reference interpreter, in `folder`.

    Raises RuntimeInputError when the inputs do not fit.
    """
    from stratagem.api.session import open_session
    from stratagem.compiler.artifact import level_text

    container = Container(artifact)
    signature = signature_of(container)
    bound = signature.bind(inputs)
    write_arrays(folder / "inputs.npz", {s.name: a for s, a in zip(signature.inputs, bound, strict=True)})
    write_arrays(folder / "reference.npz", open_session(artifact, level="tensor").run(bound))
    files, missing = ({}, {}) if model == artifact else files_for(model, formats, folder)
    convolutional = CONVOLUTION.search(level_text(container, "tensor")) is not None
    subject = Subject(
        model.name,
        folder,
        {".sgm": artifact.resolve(), **{ending: path.resolve() for ending, path in files.items()}},
        missing,
        convolutional,
        bool(signature.parameters),
    )
    subject.save()
    return subject


def signature_of(container: Container) -> Signature:
    """What an artifact takes and gives."""
    return Signature.from_json(container.manifest["signature"])
