"""Joules, money and carbon of a step: actions times energy, idle power times time, prices of the system.

Every question names the number it needs where the description does not give it (`MissingNumberError`); nothing is
assumed in its place.
"""

from __future__ import annotations

from stratagem.compiler.cost.device import main_memory
from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import StepCost
from stratagem.hwmodels import Device, System
from stratagem.hwmodels.need import MissingNumberError, needed

ENERGY, MONEY, CARBON = "energy of a step", "money of a step", "carbon of a step"


def joules(model: Model, plan: Plan, cost: StepCost) -> float:
    """J of all devices in one step: operations, bytes of main memory, bytes sent, and idle power all the time."""
    device, dtype = model.system.members[model.member].device, model.kernels.device.dtype
    unit, memory = device.unit_for("matmul", dtype), main_memory(device)
    if unit is None:
        raise MissingNumberError(device.name, f"units.*.energy.{dtype}", ENERGY)
    work = cost.flops * _burden(model, device, f"units.{unit.name}.energy.{dtype}", ENERGY)
    work += cost.moved * _burden(model, device, f"levels.{memory.name}.energy", ENERGY)
    network = model.network
    work += network.joules(cost.sent, plan.tensor, 1)
    work += network.joules(cost.gradient_sent, plan.data, plan.tensor)
    work += network.joules(cost.stage_sent, plan.pipeline, plan.tensor * plan.data)
    return plan.devices * (work + _burden(model, device, "power.idle", ENERGY) * cost.seconds)


def kilograms(model: Model, energy: float) -> float:
    """kg of CO2 for `energy` joules of devices: with the building's overhead, at the electricity's carbon."""
    overhead = needed(model.system, "cost.pue", CARBON)
    return energy * overhead * _burden(model, model.system, "cost.carbon", CARBON)


def dollars(model: Model, plan: Plan, cost: StepCost) -> float:
    """USD for the devices of one step: a device's own rent, else the devices' share of the whole system's rent, else
    of its capital over its lifetime."""
    system = model.system
    member = system.members[model.member]
    if "rent" in member.device.cost:
        rate = _burden(model, member.device, "cost.rent", MONEY)
    elif "rent" not in system.cost and "capex" in system.cost:
        lifetime = needed(system, "cost.lifetime", MONEY)
        rate = _burden(model, system, "cost.capex", MONEY) / lifetime / member.count
    else:
        rate = _burden(model, system, "cost.rent", MONEY) / member.count
    return plan.devices * rate * cost.seconds


def _burden(model: Model, machine: Device | System, path: str, question: str) -> float:
    """The number at a path, at the end that the model stands on."""
    value = needed(machine, path, question)
    return model.figures.burden(f"{machine.name}: {path}", value, machine.trust(path))
