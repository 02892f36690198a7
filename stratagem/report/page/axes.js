"use strict";
// Log-log plots: a frame with decades, and places on it.

const PLOT = {width: 360, height: 250, left: 52, right: 12, top: 12, bottom: 36};

function decades(values) {
  const known = values.filter(value => value > 0 && Number.isFinite(value)).map(Math.log10);
  const low = Math.floor(Math.min(...known)), high = Math.ceil(Math.max(...known));
  return [low, Math.max(high, low + 1)];
}

// titles: [x, y]; units: [x, y]. Gives the svg and functions from values to places.
function logPlot(xs, ys, titles, units, label) {
  const [x0, x1] = decades(xs), [y0, y1] = decades(ys);
  const {width, height, left, right, top, bottom} = PLOT;
  const x = value => left + (Math.log10(value) - x0) / (x1 - x0) * (width - left - right);
  const y = value => height - bottom - (Math.log10(value) - y0) / (y1 - y0) * (height - top - bottom);
  const plot = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  const every = span => Math.ceil(span / 6);
  for (let at = x0; at <= x1; at += every(x1 - x0)) {
    plot.append(draw("line", {class: "grid", x1: x(10 ** at), x2: x(10 ** at), y1: top, y2: height - bottom}),
      draw("text", {x: x(10 ** at), y: height - bottom + 13, "text-anchor": "middle"}, quantity(10 ** at, units[0])));
  }
  for (let at = y0; at <= y1; at += every(y1 - y0)) {
    plot.append(draw("line", {class: "grid", y1: y(10 ** at), y2: y(10 ** at), x1: left, x2: width - right}),
      draw("text", {x: left - 4, y: y(10 ** at) + 4, "text-anchor": "end"}, quantity(10 ** at, units[1])));
  }
  plot.append(draw("path", {class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}`}),
    draw("text", {x: (left + width) / 2, y: height - 6, "text-anchor": "middle"}, titles[0]),
    draw("text", {x: 4, y: 10}, titles[1]));
  return {plot, x, y, low: 10 ** x0, high: 10 ** x1};
}
