"""Kernels on a made-up device of ten cores, by hand."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.device import device_model
from stratagem.compiler.cost.figures import End, Figures
from stratagem.compiler.cost.kernels import Kernels, Spent, blocks
from stratagem.compiler.cost.model import Model
from stratagem.hwmodels import load_device, load_machine
from stratagem.hwmodels.need import MissingNumberError
from tests.unit.cost.conftest import Write


def test_the_device_as_described(model: Model) -> None:
    device = model.kernels.device
    assert (device.places, device.matmul, device.tile) == (10, 10e12, (16, 16, 16))
    assert (device.memory, device.near, device.launch) == (1e12, 4e11, 2e-6)
    assert device.capacity == 16 * 2**30
    assert device.simple == device.special == 10 * 64 * 2 * 2 * 1e9  # f32 lanes do bf16


def test_blocks_fill_at_most_half_of_a_place() -> None:
    found = blocks((16, 16, 16), 256 * 1024)
    assert (128, 256) in found and (16, 16) in found
    assert (256, 256) not in found  # 256 KiB of sums
    assert (16, 128) not in found  # too long a strip
    assert blocks((16, 8, 16), 64.0) == ((16, 8),)


def test_a_large_product_runs_at_the_units_rate(model: Model) -> None:
    spent = model.kernels.product(1, 128 * 50, 128 * 10, 16384)
    ideal = 2 * 6400 * 1280 * 16384 / 100e12
    assert ideal < spent.compute < 1.02 * ideal
    assert spent.memory == 0


@pytest.mark.parametrize("rows", [128 * 10 + 1, 1283])
def test_one_row_more_than_fits_costs_another_round(model: Model, rows: int) -> None:
    even, more = (model.kernels.product(1, r, 256, 32768).compute for r in (128 * 10, rows))
    assert more > 1.04 * even


def test_a_product_of_one_row_streams_its_weights(model: Model) -> None:
    spent = model.kernels.product(1, 1, 4096, 4096)
    assert spent.compute + spent.memory >= 4096 * 4096 * 2 / 1e12
    assert model.kernels.product(1, 0, 5, 5) == Spent()


def test_what_stays_on_chip_is_not_moved(model: Model) -> None:
    whole, half = (model.kernels.product(3, 1, 4099, 4099, inside) for inside in (0.0, 4099.0 * 2048))
    assert whole.compute == half.compute and half.memory > 0
    assert whole.memory - half.memory == pytest.approx(3 * 4099 * 2048 * 2 / 1e12)


def test_neighbours_hand_operands_over(write: Write) -> None:
    slow = ("bandwidth: 4 TB/s", "bandwidth: 1 TB/s")
    path = ("power: {idle", "links:\n  - {from: scratch, to: scratch, name: fabric}\npower: {idle")
    alone, joined = (
        Kernels(device_model(load_machine(file).members["chip"].device, "bf16", Figures())).product(1, 2560, 2560, 8192)
        for file in (write(*changes) for changes in [(slow,), (slow, path)])
    )
    assert joined.compute < 0.9 * alone.compute  # 128 x 256: 256 rows and columns come in, not 384: computing rules


def test_depth_is_split_where_cores_are_idle(model: Model) -> None:
    few = model.kernels.product(1, 64, 64, 65536).compute
    alone = 2 * 64 * 64 * 65536 / 10e12
    assert few < 0.75 * alone


def test_streams_take_memory_or_arithmetic(model: Model) -> None:
    assert model.kernels.stream(1e9).total == pytest.approx(1e-3 + 2.5e-6)
    busy = model.kernels.stream(1.0, simple=2.56e9)
    assert busy.compute == pytest.approx(1e-3) and busy.memory == 0
    assert model.kernels.stream(0.0) == Spent()


def test_utilisation_scales_rates(write: Write) -> None:
    path = write(
        ("    rate: {bf16: 10 TFLOP/s}\n", "    rate: {bf16: 10 TFLOP/s}\n    utilisation: {bf16: 80%}\n"),
        ("latency: 500 ns,", "latency: 500 ns, utilisation: {value: 50%, kind: measured, spread: 5%, id: x},"),
    )
    device = device_model(load_machine(path).members["chip"].device, "bf16", Figures())
    assert device.matmul == pytest.approx(8e12)
    assert device.memory == pytest.approx(5e11)


def test_ends_bound_rates_and_shares_stay_at_most_one(write: Write) -> None:
    path = write(("    rate: {bf16: 10 TFLOP/s}\n", "    rate: {bf16: 10 TFLOP/s}\n    utilisation: {bf16: 95%}\n"))
    device = load_machine(path).members["chip"].device
    best, worst = (device_model(device, "bf16", Figures(end)) for end in (End.BEST, End.WORST))
    assert best.matmul == pytest.approx(11e12 * 1.0)  # 95 % and 10 % more are no more than all
    assert worst.matmul == pytest.approx(9e12 * 0.855)
    assert worst.launch > best.launch and worst.memory < best.memory


@pytest.mark.parametrize(
    ("dtype", "change", "key"),
    [
        ("f64", None, r"lattice: units\.\*\.rate\.f64: 'time of a f64 matmul'"),
        ("bf16", ("launch: 2 us\n", ""), "lattice: launch"),
        ("bf16", ("latency: 500 ns, ", ""), r"lattice: levels\.hbm\.latency"),
        ("bf16", ("fma, exp]", "fma]"), r"time of elementwise work with exp"),
    ],
)
def test_what_is_missing_is_refused_by_name(write: Write, dtype: str, change: tuple[str, str] | None, key: str) -> None:
    device = load_machine(write(*([change] if change else []))).members["chip"].device
    with pytest.raises(MissingNumberError, match=key):
        device_model(device, dtype, Figures())


@pytest.mark.parametrize("name", ["generic-avx512", "upmem-rank", "h100", "epyc-zen5", "raspberry-pi-5"])
def test_devices_of_the_library_have_a_model(name: str) -> None:
    kernels = Kernels(device_model(load_device(name), "f32", Figures()))
    assert 0 < kernels.product(3, 17, 129, 1).total < kernels.product(3, 17, 129, 1000).total
