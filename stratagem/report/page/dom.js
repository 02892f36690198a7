"use strict";
// Elements, numbers with units, and tables that sort. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

const make = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const PREFIXES = [[1e-15, "f"], [1e-12, "p"], [1e-9, "n"], [1e-6, "µ"], [1e-3, "m"], [1, ""], [1e3, "k"], [1e6, "M"],
  [1e9, "G"], [1e12, "T"], [1e15, "P"]];

function quantity(value, unit, digits = 3) {
  if (value === null || value === undefined) return "?";
  if (value === 0) return `0 ${unit}`;
  const fitting = PREFIXES.filter(([scale]) => scale <= Math.abs(value) * (1 + 1e-12));
  const [scale, prefix] = fitting.length ? fitting[fitting.length - 1] : PREFIXES[0];
  return `${Number((value / scale).toPrecision(digits))} ${prefix}${unit}`;
}

const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
const signed = value => `${value >= 0 ? "+" : "−"}${percent(Math.abs(value), 2)}`;
const sum = (items, of) => items.reduce((total, item) => total + of(item), 0);

// columns: {title, number, text(row), key(row), cell(row)}; `sorted`: index of the column that rows start sorted by.
function table(columns, rows, sorted = -1) {
  const body = make("tbody");
  const heads = columns.map((column, index) => make("th", {scope: "col", class: column.number ? "number" : null},
    make("button", {type: "button", onclick: () => sortBy(index)}, column.title)));
  let order = {index: -1, down: true};
  const key = (column, row) => column.key ? column.key(row) : column.text(row);

  function sortBy(index) {
    const down = order.index === index ? !order.down : Boolean(columns[index].number);
    order = {index, down};
    heads.forEach((head, at) => at === index
      ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    const keyed = rows.map(row => [key(columns[index], row), row]);
    keyed.sort(([a], [b]) => (a > b ? 1 : a < b ? -1 : 0) * (down ? -1 : 1));
    show(keyed.map(([, row]) => row));
  }

  function show(shown) {
    body.replaceChildren(...shown.map(row => make("tr", {}, columns.map(column =>
      make("td", {class: column.number ? "number" : null}, column.cell ? column.cell(row) : String(column.text(row)))))));
  }

  if (sorted >= 0) sortBy(sorted);
  else show(rows);
  return make("div", {class: "scroll tall", tabindex: 0}, make("table", {}, make("thead", {}, make("tr", {}, heads)), body));
}

function section(id, title, ...children) {
  return make("section", {id, "aria-labelledby": `${id}-title`}, make("h2", {id: `${id}-title`}, title), ...children);
}

function choice(label, names, onchange) {
  const select = make("select", {onchange: event => onchange(event.target.value)},
    names.map(name => make("option", {value: name}, name)));
  return make("label", {}, `${label} `, select);
}
