"use strict";
// A roofline for each memory level of each device (Williams, Waterman, Patterson, 2009): each kernel a point.

function rooflines(data) {
  return data.roofs.flatMap(device => device.levels.map(level => roofline(data, device, level))).filter(plot => plot);
}

function rooflinePoints(data, device, level) {
  return grouped(data.cost.calls.filter(call => call.device === device.name), "kernel").map(group => {
    const operations = sum(group.calls, call => call.operations || 0);
    const bytes = sum(group.calls, call => call.traffic[level.name] || 0);
    return {...group, operations, bytes};
  }).filter(point => point.operations > 0 && point.bytes > 0 && point.total > 0);
}

function roofline(data, device, level) {
  const points = rooflinePoints(data, device, level);
  if (!points.length) return null;
  const peaks = Object.entries(device.peaks), most = Math.max(...peaks.map(([, rate]) => rate));
  const ridge = most / level.bandwidth;
  const xs = [...points.map(point => point.operations / point.bytes), ridge, ridge * 4, ridge / 4];
  const ys = [...points.map(point => point.operations / point.total), most,
    ...points.filter(point => point.measured).map(point => point.operations / point.measured)];
  const frame = logPlot(xs, ys, ["operations per byte", "op/s"], ["", ""], `roofline of ${level.name}`);
  const clip = value => Math.max(value, 10 ** decades(ys)[0]);
  for (const [name, rate] of peaks) {
    const turn = rate / level.bandwidth, end = frame.high;
    const start = Math.max(frame.low, clip(frame.low * level.bandwidth) / level.bandwidth);
    frame.plot.append(draw("path", {class: "roof", d: `M${frame.x(start)} ${frame.y(clip(start * level.bandwidth))}` +
      `L${frame.x(Math.max(turn, start))} ${frame.y(rate)}H${frame.x(Math.max(end, turn))}`},
      draw("title", {}, `${name}: ${quantity(rate, "op/s")}`)));
  }
  for (const point of points) {
    const x = frame.x(point.operations / point.bytes), told = seconds => `${point.name}: ${quantity(point.operations / seconds, "op/s")}, ` +
      `${quantity(point.operations / point.bytes, "op/B")}`;
    frame.plot.append(draw("circle", {class: "point", cx: x, cy: frame.y(point.operations / point.total), r: 4},
      draw("title", {}, `${told(point.total)}, estimated`)));
    if (point.measured) frame.plot.append(draw("circle", {class: "measured", cx: x,
      cy: frame.y(point.operations / point.measured), r: 5}, draw("title", {}, `${told(point.measured)}, measured`)));
  }
  return make("figure", {style: "margin:0"}, make("figcaption", {class: "note"},
    `${device.name}: ${level.name}, ${quantity(level.bandwidth, "B/s")}`), frame.plot);
}

function rooflineSection(data) {
  return section("roofline", "Rooflines",
    make("p", {class: "note"}, "Filled: estimated. Rings: measured. Lines: what a level's bandwidth and a unit's rate allow."),
    make("div", {class: "plots"}, rooflines(data)));
}
