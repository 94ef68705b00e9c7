"use strict";
// tables: on a narrow page every row is a list of its own, with the headings as labels
document.querySelectorAll("table").forEach((table) => {
  const names = [...table.querySelectorAll("tr:first-child th")].map((cell) => cell.textContent);
  if (names.length < 3 || table.querySelector("td[colspan]")) return;
  table.classList.add("stacked");
  table.rows[0].classList.add("head");
  [...table.rows].forEach((row) => [...row.cells].forEach((cell, i) => { cell.dataset.label = names[i] || ""; }));
});

// the numbers of a chart, as a file
function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
document.querySelectorAll("button.csv").forEach((button) => button.addEventListener("click", () => {
  save(document.getElementById(button.dataset.source).textContent.trim() + "\n", button.dataset.name, "text/csv");
}));

// light and dark: as the system has it, or as chosen
const theme = {
  listeners: [],
  colour: (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
  dark: () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  changed() { theme.listeners.forEach((listener) => listener()); },
};
const switched = document.getElementById("theme");
switched.addEventListener("click", () => {
  document.documentElement.dataset.theme = theme.dark() ? "light" : "dark";
  theme.changed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme.changed());

// charts bring the colours of a light page: text, axes and the training set are set to those of this one
const DATA = /^#5b6770$/i;
const first = new WeakMap();
function paint(chart) {
  const layout = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", "font.color": theme.colour("ink") };
  Object.keys(chart.layout).filter((name) => /^[xy]axis\d*$/.test(name)).forEach((name) => {
    layout[`${name}.gridcolor`] = theme.colour("grid");
    layout[`${name}.linecolor`] = theme.colour("axis");
    layout[`${name}.tickcolor`] = theme.colour("axis");
  });
  if (chart.layout.polar) {
    layout["polar.bgcolor"] = "rgba(0,0,0,0)";
    ["radialaxis", "angularaxis"].forEach((axis) => {
      layout[`polar.${axis}.gridcolor`] = theme.colour("grid");
      layout[`polar.${axis}.linecolor`] = theme.colour("axis");
    });
  }
  Plotly.relayout(chart, layout);
  if (!first.has(chart)) first.set(chart, chart.data.map((trace) => (trace.line && trace.line.color) || ""));
  first.get(chart).forEach((colour, i) => { if (DATA.test(colour)) Plotly.restyle(chart, { "line.color": theme.colour("data") }, [i]); });
}
const charts = [...document.querySelectorAll(".js-plotly-plot")];
theme.listeners.push(() => charts.forEach(paint));
// charts were drawn while the page was still being laid out: fit them once it is
window.addEventListener("load", () => charts.forEach((chart) => { paint(chart); Plotly.Plots.resize(chart); }));
