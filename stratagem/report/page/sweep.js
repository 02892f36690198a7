"use strict";
// The page of a design-space exploration: two objectives against each other, and every point in a table.

function shown(objective, value) {
  return objective.unit ? quantity(value, objective.unit, 4) : String(Number(value.toPrecision(4)));
}

function picture(text) {
  return document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
}

function sweepPage(data) {
  const good = data.points.filter(point => !point.problem), bad = data.points.filter(point => point.problem);
  const columns = [
    ...data.axes.map(axis => ({title: axis, number: true, key: point => point.magnitudes[axis], text: point => point.values[axis]})),
    ...data.objectives.filter(one => !data.axes.includes(one.name)).map(one => ({title: one.name, number: true,
      key: point => point.objectives[one.name], text: point => shown(one, point.objectives[one.name])})),
    {title: "Pareto front", text: point => point.front ? "yes" : "", key: point => point.front ? 1 : 0, number: true},
  ];
  return [
    make("header", {}, make("h1", {}, `${data.model} on variants of ${data.target}`),
      make("p", {class: "faint"}, `${data.producer}; this page ${data.date}; ${data.points.length} points, each compiled and costed`),
      data.notes.map(line => make("p", {class: "note"}, line))),
    data.plots.length ? section("front", "Objectives against each other", make("p", {class: "note"},
      "Joined points are the Pareto front: no other point is better in one objective and not worse in the rest."),
    make("div", {class: "plots"}, data.plots.map(picture))) : null,
    section("points", "Points", table(columns, good)),
    bad.length ? section("refused", "Points that cannot be", table([{title: "values", text: point => point.text},
      {title: "why", text: point => point.problem}], bad)) : null,
  ].filter(part => part);
}
