"use strict";
// three views of one structure: as generated, relaxed, and the nearest training structure
(() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const at = (name) => document.getElementById(`viewer-${name}`);
  const chosen = { model: at("model"), measure: at("measure"), place: at("place"), colour: at("colour") };
  const panes = document.querySelector("#viewer .panes");
  // blue to red over what occurs, safe for colour-blind readers
  const SCALE = ["#313695", "#4575b4", "#74add1", "#abd9e9", "#fee090", "#fdae61", "#f46d43", "#d73027", "#a50026"];
  const REGIONS = { 0: ["#d55e00", "random region"], 1: ["#e69f00", "top layer"], 2: ["#0072b2", "rest of slab A"], 3: ["#009e73", "slab B"] };
  const views = [];

  const fill = (select, entries) => entries.forEach(([value, text]) => select.add(new Option(text, value)));
  // a study has data sets, each with models and a measure of its own
  const keys = ["model", "measure", "place"];
  if (at("dataset")) {
    keys.push("dataset");
    chosen.dataset = at("dataset");
    fill(chosen.dataset, data.datasets.map((name) => [name, name.replace(/_/g, " ")]));
    chosen.dataset.addEventListener("change", options);
  }
  options();

  function options() {
    const here = data.scenes.filter((scene) => !chosen.dataset || scene.dataset === chosen.dataset.value);
    const refill = (select, entries) => {
      const before = select.value;
      select.replaceChildren();
      fill(select, entries);
      if (entries.some(([value]) => value === before)) select.value = before;
    };
    refill(chosen.model, [...new Set(here.map((scene) => scene.model))].map((name) => [name, name.replace(/_/g, " ")]));
    refill(chosen.measure, data.measures.filter(({ name }) => here.some((scene) => scene.measure === name))
      .map(({ name, label }) => [name, label ? `${name} (${label})` : name]));
  }

  function shade(structure, i) {
    if (chosen.colour.value === "coordination") return SCALE[Math.min(structure.coordination[i], SCALE.length - 1)];
    if (chosen.colour.value === "region") return structure.region ? (REGIONS[structure.region[i]] || ["#999999"])[0] : "#999999";
    return data.colours[structure.elements[structure.kinds[i]]];
  }

  function describe(structure, i) {
    const parts = [`${structure.elements[structure.kinds[i]]} ${i}`, `${structure.coordination[i]} neighbours`];
    if (structure.region) parts.push((REGIONS[structure.region[i]] || ["", `region ${structure.region[i]}`])[1]);
    return parts.join(", ");
  }

  function draw(view, structure) {
    view.removeAllModels();
    view.removeAllShapes();
    view.removeAllLabels();
    view.setBackgroundColor(theme.colour("ground"));
    const p = structure.positions, c = structure.cell;
    const model = view.addModel();
    model.addAtoms(structure.kinds.map((kind, i) => ({
      elem: structure.elements[kind], x: p[3 * i] / 100, y: p[3 * i + 1] / 100, z: p[3 * i + 2] / 100, index: i, serial: i,
      bonds: [], bondOrder: [],
    })));
    structure.elements.forEach((element) => model.setStyle({ elem: element }, {
      sphere: { radius: 0.62 * (data.radii[element] || 1), colorfunc: (atom) => shade(structure, atom.serial) },
    }));
    const corner = (i, j, k) => ({ x: i * c[0] + j * c[3] + k * c[6], y: i * c[1] + j * c[4] + k * c[7], z: i * c[2] + j * c[5] + k * c[8] });
    for (const a of [0, 1]) for (const b of [0, 1]) {
      [[corner(0, a, b), corner(1, a, b)], [corner(a, 0, b), corner(a, 1, b)], [corner(a, b, 0), corner(a, b, 1)]].forEach(
        ([start, end]) => view.addLine({ start, end, color: theme.colour("soft") }));
    }
    view.setHoverable({}, true, (atom, viewer) => {
      if (atom.label) return;
      atom.label = viewer.addLabel(describe(structure, atom.serial), { position: atom, fontSize: 12, backgroundOpacity: 0.7 });
    }, (atom, viewer) => { if (atom.label) { viewer.removeLabel(atom.label); delete atom.label; } });
  }

  function legend(structures) {
    let entries;
    if (chosen.colour.value === "element") entries = Object.entries(data.colours).map(([name, colour]) => [colour, name]);
    else if (chosen.colour.value === "region") {
      const known = new Set(structures.flatMap((structure) => structure.region || []));
      entries = Object.entries(REGIONS).filter(([region]) => known.has(Number(region))).map(([, entry]) => entry);
      if (structures.some((structure) => !structure.region)) entries.push(["#999999", "region not known"]);
    } else {
      const counts = [...new Set(structures.flatMap((structure) => structure.coordination))].sort((a, b) => a - b);
      entries = counts.map((count) => [SCALE[Math.min(count, SCALE.length - 1)], `${count} neighbour${count === 1 ? "" : "s"}`]);
    }
    at("legend").replaceChildren(...entries.map(([colour, text]) => {
      const entry = document.createElement("span"), dot = document.createElement("i");
      dot.style.background = colour;
      entry.append(dot, text);
      return entry;
    }));
  }

  function show() {
    const scene = data.scenes.find((one) => keys.every((key) => one[key] === chosen[key].value));
    at("title").textContent = scene ? scene.title : "this one is not among those that are shown";
    const structures = [];
    (scene ? scene.panes : []).forEach((pane, i) => {
      const place = views[i];
      place.name.textContent = pane.title;
      place.note.textContent = pane.structure ? pane.note : "";
      place.empty.hidden = Boolean(pane.structure);
      place.empty.textContent = pane.structure ? "" : pane.note;
      place.canvas.style.visibility = pane.structure ? "visible" : "hidden";
      if (!pane.structure || !place.view) return;
      structures.push(pane.structure);
      draw(place.view, pane.structure);
    });
    legend(structures);
    reset();
  }

  function reset() {
    views.filter((place) => place.view && place.empty.hidden).forEach(({ view }) => {
      view.setView([0, 0, 0, 0, 0, 0, 0, 1]);
      view.rotate(-75, "x");
      view.rotate(12, "y");
      view.zoomTo();
      view.render();
    });
  }

  function begin() {
    for (let i = 0; i < 3; i++) {
      const pane = document.createElement("div");
      pane.className = "pane";
      pane.innerHTML = '<b></b><small></small><div class="canvas"><div class="view"></div><div class="empty"></div></div>';
      panes.append(pane);
      const place = { name: pane.querySelector("b"), note: pane.querySelector("small"), canvas: pane.querySelector(".view"), empty: pane.querySelector(".empty") };
      try {
        place.view = $3Dmol.createViewer(place.canvas, { antialias: true, disableFog: true, lowerZoomLimit: 1 });
      } catch (error) {
        place.view = null;
      }
      if (!place.view) place.canvas.textContent = window.$3Dmol ? "this browser has no WebGL: structures cannot be drawn" : "not drawn: the script for it was not loaded";
      views.push(place);
    }
    const made = views.map((place) => place.view).filter(Boolean);
    made.forEach((view) => made.filter((other) => other !== view).forEach((other) => view.linkViewer(other)));
    Object.values(chosen).forEach((select) => select.addEventListener("change", show));
    at("reset").addEventListener("click", reset);
    theme.listeners.push(show);
    addEventListener("resize", () => made.forEach((view) => { view.resize(); view.render(); }));
    show();
    window.dismaiViews = views;
  }

  // it costs a second: not before a reader comes near
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    begin();
  }, { rootMargin: "300px" }).observe(document.getElementById("viewer"));
})();
