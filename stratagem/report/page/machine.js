"use strict";
// Hardware from the outside in: what lies inside a box in the picture lies inside it on the machine.

function box(node) {
  return make("div", {class: `box ${node.kind}`}, make("strong", {}, node.count > 1 ? `${node.count} × ${node.name}` : node.name),
    make("small", {}, node.detail), node.inside.map(box));
}

function machineSection(data) {
  return section("machine", "The hardware", make("p", {class: "note"}, data.machine_note), data.machine.map(box));
}

function assuranceSection(data) {
  const columns = [
    {title: "level", text: row => row.level}, {title: "subject", text: row => row.subject},
    {title: "obligation", text: row => row.obligation},
    {title: "verdict", cell: row => make("span", {class: row.verdict.startsWith("proved") || row.verdict === "tested" ? "good" : "bad"},
      row.verdict), text: row => row.verdict, key: row => row.verdict},
    {title: "because", text: row => row.detail || ""},
  ];
  const counts = Object.entries(data.verdicts).map(([verdict, count]) => `${count} ${verdict}`).join(", ");
  return section("assurance", "What is assured", make("p", {}, data.head.verdict), make("p", {class: "note"}, counts || "nothing"),
    data.assurance.length ? make("details", {}, make("summary", {}, `All ${data.assurance.length} obligations`),
      table(columns, data.assurance)) : null);
}
