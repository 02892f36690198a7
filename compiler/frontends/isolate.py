"""Runs a function in a process of its own, so that a crash of native code costs a message and not the user's
process.

A fresh interpreter rather than a fork: the caller may have threads of any library. Arguments and result
travel as JSON in a temporary folder, large data as files beside them; nothing is unpickled. Start-up costs
about half a second.

    value = run_isolated(convert, {"path": "m.onnx"}, what="m.onnx", timeout=60)
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stratagem.runtime import errors as error_classes
from stratagem.runtime.errors import ModelError, ResourceError, StratagemError

_REQUEST, _ANSWER, _STAGE, _LOG = "request.json", "answer.json", "stage", "log"
_FOLDER_VARIABLE = "STRATAGEM_WORKER"


def run_isolated(
    function: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    what: str,
    folder: Path,
    timeout: float | None = None,
    memory_limit: int | None = None,
) -> Any:
    """`function(**arguments)`, run by a worker process.

    Args:
        function: a function of an importable module; its arguments and result are JSON values.
        what: what is being worked on, for messages.
        folder: an existing folder for the exchange; the function may leave files in it.
        timeout: seconds before the worker is ended.
        memory_limit: bytes of private memory the worker may use.

    Raises the StratagemError the function raised; ModelError naming the stage and the signal when the
    worker died; ResourceError when it ran out of time or memory.
    """
    request = {
        "module": function.__module__,
        "name": function.__qualname__,
        "arguments": arguments,
        "memory_limit": memory_limit,
        "path": sys.path,
    }
    (folder / _REQUEST).write_text(json.dumps(request))
    with (folder / _LOG).open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "stratagem.compiler.frontends.isolate", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
        )
        try:
            code = worker.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ResourceError(
                f"{what}: the import was still {_stage(folder)} after {timeout:g} s", hint="give it more time"
            ) from None
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
    return _result(folder, code, what)


@contextmanager
def exchange_folder() -> Iterator[Path]:
    """A temporary folder for one isolated run; mapped files in it stay readable after it is gone."""
    with tempfile.TemporaryDirectory(prefix="stratagem-") as name:
        yield Path(name)


def report_stage(text: str) -> None:
    """Notes what the worker does now ("lowering to linalg"), for the message should it die. No effect
    elsewhere.
    """
    folder = os.environ.get(_FOLDER_VARIABLE)
    if folder:
        Path(folder, _STAGE).write_text(text)


def _environment() -> dict[str, str]:
    paths = [p for p in sys.path if p]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _stage(folder: Path) -> str:
    path = folder / _STAGE
    return path.read_text() if path.exists() else "starting"


def _result(folder: Path, code: int, what: str) -> Any:
    path = folder / _ANSWER
    if code == 0 and path.exists():
        answer = json.loads(path.read_text())
        if "error" in answer:
            raise _rebuilt(answer["error"])
        return answer["value"]
    if code < 0:
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            raise ResourceError(
                f"{what}: the import was killed while {_stage(folder)}",
                hint="the machine is probably out of memory",
            )
        raise ModelError(
            f"{what}: the importer crashed with {name} while {_stage(folder)}",
            hint="this is a fault of the importing library, not of your process; please report the model",
        )
    log = (folder / _LOG).read_text(errors="replace").strip().splitlines()
    reason = log[-1] if log else f"exit status {code}"
    raise ModelError(f"{what}: the importer failed while {_stage(folder)}: {reason}")


def _rebuilt(parts: dict[str, str]) -> StratagemError:
    kind = getattr(error_classes, parts["kind"], ModelError)
    error: StratagemError = kind(parts["problem"], hint=parts["hint"], location=parts["location"] or None)
    return error


def _serve(folder: Path) -> None:
    """The worker: reads the request, writes the answer."""
    request = json.loads((folder / _REQUEST).read_text())
    sys.path[:] = request["path"]
    os.environ[_FOLDER_VARIABLE] = str(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if request["memory_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory_limit"],) * 2)
    function = getattr(importlib.import_module(request["module"]), request["name"])
    answer: dict[str, Any]
    try:
        answer = {"value": function(**request["arguments"])}
    except StratagemError as error:
        parts = {
            "kind": next(c.__name__ for c in type(error).__mro__ if hasattr(error_classes, c.__name__)),
            "problem": error.problem,
            "hint": error.hint,
            "location": str(error.location or ""),
        }
        answer = {"error": parts}
    except MemoryError:
        limit = request["memory_limit"]
        allowed = "there is" if limit is None else f"the {limit} bytes allowed"
        problem = f"the import needs more memory than {allowed}"
        answer = {"error": {"kind": "ResourceError", "problem": problem, "hint": "", "location": ""}}
    (folder / _ANSWER).write_text(json.dumps(answer))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # native libraries may crash in their own clean-up
