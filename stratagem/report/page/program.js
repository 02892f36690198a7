"use strict";
// The page of a compiled program.

function figures(entries) {
  return make("div", {class: "figures"}, entries.map(([name, value]) => make("div", {class: "figure"}, make("b", {}, value), name)));
}

function headSection(data) {
  const {head, cost} = data, measured = cost ? sum(cost.calls, call => call.measured || 0) : 0;
  const energy = cost && cost.joules !== null ? [["energy of a run", quantity(cost.joules, "J")]] : [];
  return make("header", {}, make("h1", {}, `${head.model} on ${head.target}`),
    make("p", {class: "faint"}, `${head.producer}; this page ${head.date}; compiled until ${head.until} in ${quantity(head.seconds, "s")}` +
      (head.ranks > 1 ? `; ${head.ranks} ranks, this is one of them` : "")),
    make("p", {}, head.verdict),
    figures([...(cost ? [["a run, estimated", quantity(cost.seconds, "s")],
      ["its range", `${quantity(cost.low, "s")} to ${quantity(cost.high, "s")}`]] : []),
    ...(measured ? [["measured, all kernels", quantity(measured, "s")]] : []), ...energy,
    ["parameters", quantity(head.parameter_bytes, "B")], ...(head.arena_bytes ? [["arena", quantity(head.arena_bytes, "B")]] : [])]),
    head.notes.map(line => make("p", {class: "note"}, line)));
}

function programPage(data) {
  const costed = data.cost && data.cost.calls.length
    ? [timeSection(data), influenceSection(data), whatIfSection(data), rooflineSection(data), timelineSection(data), energySection(data)]
    : [];
  return [headSection(data), ...costed, machineSection(data), levelsSection(data), assuranceSection(data)];
}
