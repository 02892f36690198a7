"""InfraGraph: what is written follows the published schema, and what was written comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stratagem.cli.hw import hw_group
from stratagem.hwmodels import HardwareFileError, check_file, load_machine
from stratagem.hwmodels.exchange.infragraph_export import infragraph

Write = Callable[..., Path]

CLOS = """\
name: clos
devices:
  - name: server
    components:
      - {name: cpu, choice: cpu, count: 1, description: some processor}
      - {name: xpu, choice: xpu, count: 2, description: h100-sxm}
      - {name: nvlsw, choice: switch, count: 1}
      - {name: pciesw, choice: switch, count: 1}
      - {name: nic, choice: nic, count: 2}
    links:
      - {name: nvlink, physical: {bandwidth: {choice: gigabytes_per_second, gigabytes_per_second: 450}}}
      - {name: pcie, physical: {bandwidth: {choice: gigabits_per_second, gigabits_per_second: 512}}}
    edges:
      - {ep1: {component: "xpu[0:2]"}, ep2: {component: "pciesw[0]"}, scheme: many2many, link: pcie}
      - {ep1: {component: xpu}, ep2: {component: nvlsw}, scheme: many2many, link: nvlink}
  - name: switch
    components:
      - {name: asic, choice: cpu, count: 1}
      - {name: port, choice: port, count: 16}
instances:
  - {name: host, device: server, count: 4}
  - {name: leafsw, device: switch, count: 4}
  - {name: spinesw, device: switch, count: 3}
links:
  - name: leaf-link
    physical: {bandwidth: {choice: gigabits_per_second, gigabits_per_second: 100}, latency: {choice: ns, ns: 900}}
  - {name: spine-link}
edges:
  - ep1: {instance: "host[0]", component: nic}
    ep2: {instance: "leafsw[0]", component: port}
    scheme: one2one
    link: leaf-link
  - ep1: {instance: "leafsw[0]", component: "port[2]"}
    ep2: {instance: "spinesw[0]", component: "port[0]"}
    scheme: one2one
    link: spine-link
"""


def run(*arguments: str) -> Result:
    """Runs `stratagem hw`."""
    return CliRunner().invoke(hw_group, list(arguments))


def ends(data: dict[str, Any]) -> int:
    """How many members the edges of an infrastructure's outer links reach."""
    found = 0
    for edge in data["edges"]:
        first, last = edge["ep1"]["instance"].partition("[")[2].rstrip("]").split(":")
        found += int(last) - int(first)
    return found


def test_components_instances_links_and_edges() -> None:
    data = infragraph(load_machine("h100-cluster", {"nodes": 3}))
    node, switch = data["devices"]
    assert [(part["name"], part["choice"], part["count"]) for part in node["components"]] == [
        ("gpu", "xpu", 8),
        ("host", "cpu", 2),
        ("nvl-switch", "switch", 4),
    ]
    assert [edge["link"] for edge in node["edges"]] == ["nvl", "pcie", "pcie"]
    assert node["edges"][2]["ep1"]["component"] == "gpu[4:8]"
    assert switch["components"][1] == {"name": "port", "count": 24, "choice": "port"}
    assert [(instance["name"], instance["count"]) for instance in data["instances"]] == [("nvl", 3), ("ib", 1)]
    bandwidth = data["links"][0]["physical"]["bandwidth"]
    assert bandwidth == {"choice": "gigabytes_per_second", "gigabytes_per_second": 50}
    (edge,) = data["edges"]
    assert (edge["ep1"], edge["ep2"]) == (
        {"instance": "nvl[0:3]", "component": "gpu"},
        {"instance": "ib[0]", "component": "port"},
    )


def test_rings_of_a_torus_close() -> None:
    data = infragraph(load_machine("tpu-v4-pod", {"x": 3, "y": 5, "z": 4, "hosts": 1}))
    assert [instance["count"] for instance in data["instances"]] == [15]
    along_x = [edge for edge in data["edges"] if edge["link"] == "x"]
    assert [(edge["ep1"]["instance"], edge["ep2"]["instance"]) for edge in along_x] == [
        ("z[0:10]", "z[5:15]"),
        ("z[10:15]", "z[0:5]"),
    ]
    assert ends({"edges": along_x}) == 15
    assert ends({"edges": [edge for edge in data["edges"] if edge["link"] == "y"]}) == 15


@pytest.mark.parametrize(
    "name", ["h100-node", "a100-node", "a100-cluster", "h100-cluster", "mi300x-node", "two-hosts", "wse-3-system"]
)
def test_what_is_written_comes_back(tmp_path: Path, name: str) -> None:
    written, again = tmp_path / "infragraph.yaml", tmp_path / "again.yaml"
    assert run("export", name, "-o", str(written)).exit_code == 0
    result = run("import", str(written), "--name", "again", "-o", str(again))
    assert result.exit_code == 0, result.exception
    assert check_file(again) == []
    before, after = load_machine(name), load_machine(again)
    assert {n: (m.device.name, m.count) for n, m in after.members.items()} == {
        n: (m.device.name, m.count) for n, m in before.members.items()
    }
    assert (after.host, after.mesh) == (before.host, before.mesh)
    for one, other in zip(before.tiers, after.tiers, strict=True):
        assert (one.name, one.count, one.joined, one.attached) == (
            other.name,
            other.count,
            other.joined,
            other.attached,
        )
        assert other.link.bandwidth == one.link.bandwidth
        assert other.link.latency == pytest.approx(one.link.latency)
    assert {(p.source, p.target, p.count, p.link.bandwidth) for p in after.links} == {
        (p.source, p.target, p.count, p.link.bandwidth) for p in before.links
    }


def test_reads_servers_behind_two_levels_of_switches(write: Write, tmp_path: Path) -> None:
    path, out = write(text=CLOS, name="clos.yaml"), tmp_path / "out.yaml"
    assert run("import", str(path), "--name", "c", "--device", "cpu=epyc-zen4", "-o", str(out)).exit_code == 0
    assert check_file(out) == []
    system = load_machine(out)
    assert {name: member.count for name, member in system.members.items()} == {"xpu": 8, "cpu": 4}
    outer, inner = system.tiers
    assert (outer.name, outer.topology, outer.count, outer.link.per) == ("leaf-link", "fat-tree", 4, "xpu")
    assert outer.link.bandwidth == 12.5e9
    assert outer.link.latency == pytest.approx(900e-9)
    assert (inner.topology, inner.link.bandwidth) == ("switch", 450e9)
    assert system.source.kind == "assumed"


def test_instances_named_like_their_parts(write: Write, tmp_path: Path) -> None:
    text, out = (
        CLOS.replace("{name: host, device", "{name: xpu, device").replace('"host[0]"', '"xpu[0]"'),
        tmp_path / "o.yaml",
    )
    path = write(text=text, name="clos.yaml")
    assert run("import", str(path), "--name", "c", "--device", "cpu=epyc-zen4", "-o", str(out)).exit_code == 0
    assert check_file(out) == []
    assert [tier.name for tier in load_machine(out).tiers] == ["leaf-link", "xpu-group"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            (("h100-sxm", "a fast one"),),
            "components.xpu: 'a fast one' is no device of the library; say which one: --dev",
        ),
        ((("device: server", "device: servant"),), "instances.host: no device is called 'servant'"),
        ((("choice: cpu, count: 1, description", "choice: nic, count: 1, description"),), "no component is a cpu"),
        ((("gigabytes_per_second, gigabytes_per", "gigatransfers_per_second, gigatransfers_per"),), "has no size"),
        (
            (('ep2: {instance: "leafsw[0]", component: port}', 'ep2: {instance: "host[1]", component: nic}'),),
            "join computing instanc",
        ),
        ((("devices:", "machines:"),), "the key 'devices' is missing"),
        ((("devices:", "machines:"),), "unknown key 'machines'"),
        ((("choice: switch, count: 1", "choice: swich, count: 1"),), "'swich' is not one of custom, device"),
        (
            (("choice: switch, count: 1", "choice: switch"),),
            "devices.server.components.nvlsw.count: the key 'count' is missing",
        ),
        ((("name: clos\n", "name: clos\nconnections: []\n"),), "it is of an older InfraGraph schema than 3.1"),
        ((("choice: ns, ns: 900", "choice: us, ns: 900"),), "links.leaf-link: it says us, and does not give it"),
        ((("link: nvlink}", "link: nvlonk}"),), "no link is called 'nvlonk'; did you mean 'nvlink'?"),
    ],
)
def test_refuses(write: Write, changes: tuple[tuple[str, str], ...], message: str) -> None:
    result = run(
        "import", str(write(*changes, text=CLOS, name="clos.yaml")), "--name", "c", "--device", "cpu=epyc-zen4"
    )
    assert isinstance(result.exception, HardwareFileError)
    assert message in str(result.exception)


def test_refuses_what_the_format_cannot_say() -> None:
    result = run("export", "mixed-node")
    assert isinstance(result.exception, HardwareFileError)
    assert "tiers.bus: the tier 'bus' does not join 'rank' alone" in str(result.exception)
