"use strict";
// What would move the time: numbers of the description, each 10 % larger; and sliders that change several at once.

const REACH = 3; // sliders go from an eighth to eight times

// A part of a kernel's time, of which some shares go with a number (latencies) or against it (rates, bandwidths).
function partAfter(part, shares, factors, numbers) {
  let left = 1, changed = 0;
  for (const [index, share] of shares) {
    const factor = factors[index];
    if (factor === 1) continue;
    changed += share * (numbers[index].more_is_better ? 1 / factor : factor);
    left -= share;
  }
  return part * Math.max(0, changed + left);
}

function callAfter(call, factors, data) {
  const names = ["compute", "memory", "wait"];
  return Object.fromEntries(names.map(name => [name, partAfter(call[name], call.shares[name], factors, data.numbers)]));
}

function totalAfter(data, factors) {
  return sum(data.cost.calls, call => seconds(callAfter(call, factors, data), data.cost.overlap));
}

function influenceSection(data) {
  const total = data.cost.seconds, first = data.numbers[0];
  const widest = Math.max(...data.numbers.map(number => Math.abs(number.change)), 1e-30);
  const columns = [
    {title: "number", text: number => number.key},
    {title: "stated", number: true, key: number => number.value, text: number => quantity(number.value, number.unit)},
    {title: "origin", text: number => number.origin},
    {title: "time if 10 % larger", number: true, key: number => Math.abs(number.change),
      cell: number => make("span", {class: number.change < 0 ? "good" : "bad"}, signed(number.change / total))},
    {title: "", key: number => Math.abs(number.change), cell: number => make("div", {class: "bar"},
      make("i", {class: "compute", style: `width:${100 * Math.abs(number.change) / widest}%`}))},
  ];
  return section("bottleneck", "The bottleneck, and what would move it",
    make("p", {}, data.cost.bottleneck),
    make("p", {class: "note"}, first ? `Most influence: ${first.key}. ` : "", `Least trusted: ${data.cost.weakest}. `,
      "One number at a time, recomputed by the compiler with the tiles that the program has."),
    data.cost.notes.map(line => make("p", {class: "note"}, line)), table(columns, data.numbers, 3));
}

function whatIfSection(data) {
  const factors = data.numbers.map(() => 1);
  const told = make("output", {class: "figure", id: "whatif-total", "aria-live": "polite"});
  const sliders = data.numbers.map((number, index) => {
    const now = make("output", {});
    const input = make("input", {type: "range", min: -REACH, max: REACH, step: 0.05, value: 0, "data-key": number.key,
      "aria-label": number.key, oninput: event => { factors[index] = 2 ** Number(event.target.value); tell(); }});
    return {input, tell: () => { now.textContent = quantity(number.value * factors[index], number.unit); },
      row: make("div", {class: "slider"}, make("label", {}, number.key), now, input)};
  });
  function tell() {
    const total = totalAfter(data, factors);
    told.replaceChildren(make("b", {}, quantity(total, "s", 4)), signed(total / data.cost.seconds - 1),
      ` of ${quantity(data.cost.seconds, "s", 4)}`);
    sliders.forEach(slider => slider.tell());
  }
  function reset() {
    factors.fill(1);
    sliders.forEach(slider => { slider.input.value = 0; });
    tell();
  }
  tell();
  return section("whatif", "What if",
    make("p", {class: "note"}, "An approximation: of each kernel's compute, memory and wait, the share that follows a number was taken from " +
      "what a 10 % larger number does; that share is scaled by the whole factor, the rest stays, and so do tiles. Where a number " +
      "stops being the limit, as when a larger bandwidth leaves the unit to wait for, far settings are off. " +
      "`stratagem sweep` compiles and costs anew."),
    make("div", {class: "controls"}, told, make("button", {type: "button", onclick: reset}, "As stated")),
    make("div", {class: "plots"}, sliders.map(slider => slider.row)));
}
