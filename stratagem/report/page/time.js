"use strict";
// Where time goes, on a table by kernel or by place in the source; and energy beside it.

// Computing and moving data overlap, though not wholly; the share that does not is the compiler's own number.
function seconds(part, overlap) {
  return Math.max(part.compute, part.memory) + overlap * Math.min(part.compute, part.memory) + part.wait;
}

function grouped(calls, name) {
  const groups = new Map();
  for (const call of calls) {
    const of = call[name] || "unknown place";
    if (!groups.has(of)) groups.set(of, {name: of, calls: [], total: 0, compute: 0, memory: 0, wait: 0, joules: 0, measured: 0});
    const group = groups.get(of);
    group.calls.push(call);
    for (const part of ["total", "compute", "memory", "wait"]) group[part] += call[part];
    group.joules = group.joules === null || call.joules === null ? null : group.joules + call.joules;
    group.measured += call.measured || 0;
  }
  return [...groups.values()];
}

// The exposed parts of a time: of computing and moving the longer whole, of the shorter what is not hidden.
function splitBar(part, longest, overlap) {
  const computes = part.compute >= part.memory;
  const widths = {
    compute: part.compute * (computes ? 1 : overlap), memory: part.memory * (computes ? overlap : 1), wait: part.wait};
  const title = Object.entries(widths).map(([name, of]) => `${name} ${quantity(of, "s")}`).join(", ");
  return make("div", {class: "bar", title, role: "img", "aria-label": title}, Object.entries(widths).map(([name, of]) =>
    make("i", {class: name, style: `width:${longest ? 100 * of / longest : 0}%`})));
}

function timeTable(cost, name) {
  const groups = grouped(cost.calls, name), total = sum(groups, group => group.total);
  const longest = Math.max(...groups.map(group => group.total));
  const measured = groups.some(group => group.measured);
  const columns = [
    {title: name === "kernel" ? "kernel" : "place in the source", text: group => group.name},
    {title: "calls", number: true, text: group => group.calls.length},
    {title: "time", number: true, key: group => group.total, text: group => quantity(group.total, "s")},
    {title: "share", number: true, key: group => group.total, text: group => percent(total ? group.total / total : 0)},
    {title: "compute, memory, wait", key: group => group.total, cell: group => splitBar(group, longest, cost.overlap)},
    {title: "energy", number: true, key: group => group.joules || 0, text: group => quantity(group.joules, "J")},
  ];
  if (measured) columns.splice(4, 0, {title: "measured", number: true, key: group => group.measured,
    text: group => group.measured ? quantity(group.measured, "s") : "?"});
  return table(columns, groups, 2);
}

function legend() {
  return make("p", {class: "note"}, ["compute", "memory", "wait"].map(name => [make("span", {class: `key ${name}`}), name]).flat(),
    ". Each bar is as long as the time; the part of the shorter of computing and moving data that the longer hides is left out.");
}

function timeSection(data) {
  const place = make("div"), names = {"by kernel": "kernel", "by place in the source": "where"};
  const show = name => place.replaceChildren(timeTable(data.cost, names[name]));
  show("by kernel");
  return section("time", "Where time goes", make("div", {class: "controls"}, choice("Show", Object.keys(names), show)),
    legend(), place);
}

// One column for each level or unit: bytes or joules of the calls from each place in the source.
function amountTable(cost, amount, unit) {
  const names = [...new Set(cost.calls.flatMap(call => Object.keys(call[amount])))];
  const of = (group, name) => sum(group.calls, call => call[amount][name] || 0);
  const all = group => sum(names, name => of(group, name));
  return table([{title: "place in the source", text: group => group.name},
    {title: "time", number: true, key: group => group.total, text: group => quantity(group.total, "s")},
    ...names.map(name => ({title: name, number: true, key: group => of(group, name), text: group => quantity(of(group, name), unit)})),
    ...(unit === "J" ? [{title: "together", number: true, key: all, text: group => quantity(all(group), unit)}] : []),
  ], grouped(cost.calls, "where"), unit === "J" ? names.length + 2 : 1);
}

function energySection(data) {
  const place = make("div"), shows = {
    "energy by unit and level": () => amountTable(data.cost, "joules_by", "J"), "bytes by level": () => amountTable(data.cost, "traffic", "B")};
  const show = name => place.replaceChildren(shows[name]());
  const parts = Object.entries(data.cost.energy).map(([name, joules]) => ({name, joules}));
  show("energy by unit and level");
  return section("energy", "Energy and bytes, by layer and by memory level",
    data.cost.energy_missing.map(line => make("p", {class: "note"}, line)),
    parts.length ? table([{title: "what draws it", text: part => part.name},
      {title: "energy", number: true, key: part => part.joules, text: part => quantity(part.joules, "J")},
      {title: "share", number: true, key: part => part.joules,
        text: part => percent(part.joules / (sum(parts, other => other.joules) || 1))}], parts, 1) : null,
    make("div", {class: "controls"}, choice("Show", Object.keys(shows), show)),
    make("p", {class: "note"}, "Bytes are what a level gives to what lies inside it, all units together; idling belongs to no layer."),
    place);
}
