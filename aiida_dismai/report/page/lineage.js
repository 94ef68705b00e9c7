"use strict";
// the provenance graph: moved, zoomed, and asked where something comes from
(() => {
  const frame = document.querySelector("#lineage .lineage"), svg = frame.querySelector("svg");
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const whole = { x: 0, y: 0, w: width, h: height };
  let view = { ...whole };
  const show = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  // pixels of the frame to units of the graph: the smaller scale counts, as SVG fits both directions
  const scale = () => Math.max(view.w / frame.clientWidth, view.h / frame.clientHeight);

  function zoom(factor, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
    const w = Math.min(Math.max(view.w / factor, 120), 4 * width), by = w / view.w;
    const s = scale(), left = view.x + view.w / 2 + (x - frame.clientWidth / 2) * s, top = view.y + view.h / 2 + (y - frame.clientHeight / 2) * s;
    view = { x: left - (left - view.x) * by, y: top - (top - view.y) * by, w, h: view.h * by };
    show();
  }

  const fingers = new Map();
  let moved = 0, spread = 0;
  const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
  frame.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    moved = 0;
    spread = 0;
  });
  frame.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const box = frame.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    if (finger.at) {
      const dx = x - finger.at.x, dy = y - finger.at.y;
      moved += Math.abs(dx) + Math.abs(dy);
      if (fingers.size === 1) { const s = scale(); view.x -= dx * s; view.y -= dy * s; show(); }
    }
    finger.at = { x, y };
    Object.assign(finger, { x, y });
    if (fingers.size === 2) { const now = apart(); if (spread > 0) zoom(now / spread, x, y); spread = now; }
  });
  ["pointerup", "pointercancel", "pointerleave"].forEach((name) => frame.addEventListener(name, (event) => fingers.delete(event.pointerId)));
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.15 : 0.87, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  document.querySelectorAll("#lineage button").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.zoom !== "fit") return zoom(Number(button.dataset.zoom));
    view = { ...whole };
    show();
  }));

  const boxes = [...svg.querySelectorAll(".node")], arrows = [...svg.querySelectorAll(".arrow")];
  function choose(box) {
    const behind = new Set([box.dataset.box]), waiting = [box.dataset.box];
    while (waiting.length) {
      const current = waiting.pop();
      arrows.filter((arrow) => arrow.dataset.to === current && !behind.has(arrow.dataset.from)).forEach((arrow) => {
        behind.add(arrow.dataset.from);
        waiting.push(arrow.dataset.from);
      });
    }
    boxes.forEach((one) => one.classList.toggle("chosen", behind.has(one.dataset.box)));
    arrows.forEach((arrow) => arrow.classList.toggle("chosen", behind.has(arrow.dataset.from) && behind.has(arrow.dataset.to)));
    document.getElementById("lineage-about").textContent = box.querySelector("title").textContent;
  }
  boxes.forEach((box) => {
    box.addEventListener("click", () => { if (moved < 6) choose(box); });
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(box); });
  });

  // a wide graph would be dust in a narrow frame: begin at the results, readable
  const readable = 1.15;
  if (scale() > readable) {
    const by = readable / scale();
    view = { w: width * by, h: height * by, x: width * (1 - by), y: height * (1 - by) / 2 };
    show();
  }
})();
