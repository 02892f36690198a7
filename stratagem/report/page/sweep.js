"use strict";
// The page of a design-space exploration: two objectives against each other, and every point in a table.

function shown(objective, value) {
  return objective.unit ? quantity(value, objective.unit, 4) : String(Number(value.toPrecision(4)));
}

function frontPlot(data, across, up) {
  const points = data.points.filter(point => !point.problem);
  const of = (point, objective) => point.objectives[objective.name];
  const frame = logPlot(points.map(point => of(point, across)), points.map(point => of(point, up)),
    [across.name, up.name], [across.unit, up.unit], `${up.name} against ${across.name}`);
  const front = points.filter(point => point.front).sort((a, b) => of(a, across) - of(b, across));
  const place = point => `${frame.x(of(point, across))} ${frame.y(of(point, up))}`;
  if (front.length > 1) frame.plot.append(draw("path", {class: "line", d: `M${front.map(place).join("L")}`}));
  for (const point of points) frame.plot.append(draw("circle", {class: point.front ? "point front" : "point",
    cx: frame.x(of(point, across)), cy: frame.y(of(point, up)), r: point.front ? 5 : 4},
  draw("title", {}, `${point.text}: ${data.objectives.map(one => `${one.name} ${shown(one, of(point, one))}`).join(", ")}`)));
  return make("figure", {style: "margin:0"}, frame.plot);
}

function sweepPage(data) {
  const pairs = data.objectives.slice(1).map(other => [data.objectives[0], other]);
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
    good.length && pairs.length ? section("front", "Objectives against each other", make("p", {class: "note"},
      "Joined points are the Pareto front: no other point is better in one objective and not worse in the rest."),
    make("div", {class: "plots"}, pairs.map(([across, up]) => frontPlot(data, across, up)))) : null,
    section("points", "Points", table(columns, good)),
    bad.length ? section("refused", "Points that cannot be", table([{title: "values", text: point => point.text},
      {title: "why", text: point => point.problem}], bad)) : null,
  ].filter(part => part);
}
