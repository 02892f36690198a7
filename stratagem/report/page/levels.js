"use strict";
// The program at its levels, two side by side. Texts are packed, and unpacked when they are looked at.

async function unpacked(level) {
  const bytes = Uint8Array.from(atob(level.packed), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

function levelPane(levels, start) {
  const text = make("pre", {tabindex: 0}), note = make("p", {class: "note"});
  const names = levels.map(level => level.name);
  async function show(name) {
    const level = levels.find(one => one.name === name);
    note.textContent = level.note;
    text.textContent = "unpacking ...";
    const content = await unpacked(level);
    if (select.value === name) text.textContent = content;
  }
  const chosen = choice("Level", names, show), select = chosen.querySelector("select");
  select.value = names[Math.min(start, names.length - 1)];
  return {pane: make("div", {}, chosen, note, text), show: () => show(select.value)};
}

function levelsSection(data) {
  const panes = [levelPane(data.levels, 0), levelPane(data.levels, 1)];
  const opened = event => { if (event.target.open) panes.forEach(pane => pane.show()); };
  return section("levels", "The program at each level", make("details", {ontoggle: opened},
    make("summary", {}, `Show IR: ${data.levels.map(level => level.name).join(", ")}`),
    make("div", {class: "panes"}, panes.map(pane => pane.pane))));
}
