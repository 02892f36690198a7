"use strict";
// Calls in program order, on one lane for each device; measured times on lanes of their own.

function lanes(data) {
  const devices = [...new Set(data.cost.calls.map(call => call.device))];
  const found = devices.map(name => ({name: `${name}, estimated`, spans: [], of: call => call.device === name, time: call => call.total}));
  const wholly = data.cost.calls.every(call => call.measured);
  if (wholly) found.push({name: "measured", spans: [], of: () => true, time: call => call.measured});
  for (const group of wholly ? [found.slice(0, -1), found.slice(-1)] : [found]) {
    let at = 0;
    for (const call of data.cost.calls) {
      const lane = group.find(one => one.of(call)), length = lane.time(call);
      lane.spans.push({call, at, length});
      at += length;
    }
  }
  return found;
}

function timelineSection(data) {
  const drawn = lanes(data), end = Math.max(...drawn.flatMap(lane => lane.spans.map(span => span.at + span.length)));
  const holder = make("div", {class: "scroll timeline", tabindex: 0});
  const show = zoom => {
    const width = 1000 * zoom, height = 20 + 44 * drawn.length;
    const picture = draw("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "timeline"});
    drawn.forEach((lane, row) => {
      picture.append(draw("text", {x: 2, y: 44 * row + 12}, lane.name));
      for (const span of lane.spans) {
        const kind = span.call.wait > Math.max(span.call.compute, span.call.memory) ? "wait"
          : span.call.memory > span.call.compute ? "memory" : "compute";
        picture.append(draw("rect", {class: kind, x: span.at / end * width, y: 44 * row + 17, height: 22,
          width: Math.max(span.length / end * width - 0.3, 0.3)},
        draw("title", {}, `${span.call.kernel}: ${quantity(span.length, "s")} from ${quantity(span.at, "s")}\n${span.call.where}`)));
      }
    });
    picture.append(draw("text", {x: width - 2, y: height - 6, "text-anchor": "end"}, quantity(end, "s")));
    holder.replaceChildren(picture);
  };
  show(1);
  return section("timeline", "Timeline", make("label", {class: "controls"}, "Wider ",
    make("input", {type: "range", min: 0, max: 6, step: 1, value: 0, oninput: event => show(2 ** event.target.value)})),
  make("p", {class: "note"}, "One kernel after the other, as the program calls them; coloured by what takes most of each."), holder);
}
