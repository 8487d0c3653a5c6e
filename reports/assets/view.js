"use strict";
// The one time axis: which stretch is in view, how gestures change it, and the canvases that follow it. What is
// drawn on them is the panels' business (panels.js).

const GUTTER = 104;
const ZOOM_MIN_US = 50;

class View {
  constructor(end) {
    this.end = end;
    this.left = 0;
    this.right = end;
    this.followers = [];
  }

  get span() { return this.right - this.left; }

  show(left, right) {
    const span = Math.min(this.end, Math.max(ZOOM_MIN_US, right - left));
    const middle = (left + right) / 2;
    this.left = Math.max(0, Math.min(this.end - span, middle - span / 2));
    this.right = this.left + span;
    this.changed();
  }

  zoom(factor, around) { this.show(around - (around - this.left) * factor, around + (this.right - around) * factor); }
  move(distance) { this.show(this.left + distance, this.right + distance); }
  whole() { this.show(0, this.end); }
  focus(at) {
    const span = Math.min(this.end, Math.max(this.end / 12, 2 * ZOOM_MIN_US));
    this.show(at - span / 2, at + span / 2);
  }

  // Redraws once per frame, however many events a gesture makes.
  changed() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      for (const follow of this.followers) follow();
    });
  }
}

// Colours by their meaning, read from the style sheet so that light and dark are decided in one place.
function palette() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue("--" + name).trim() });
}

class Panel {
  // `draw(pen)` paints; `find(x, y, pen)` returns the words under the pointer, [title, ...lines], or nothing.
  constructor(view, { canvas, height, draw, find }) {
    Object.assign(this, { view, canvas, height, draw, find });
    canvas.style.height = height + "px";
    view.followers.push(() => this.paint());
  }

  pen() {
    const width = this.canvas.clientWidth;
    const { left, span } = this.view;
    const scale = (width - GUTTER) / span;
    return {
      width, height: this.height, left, right: this.view.right, span,
      x: (us) => GUTTER + (us - left) * scale,
      us: (x) => left + (x - GUTTER) / scale,
    };
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const pen = this.pen();
    this.canvas.width = Math.round(pen.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    pen.ratio = ratio;
    pen.context = this.canvas.getContext("2d");
    pen.context.scale(ratio, ratio);
    pen.colour = palette();
    pen.sans = getComputedStyle(document.body).fontFamily;
    this.draw(pen);
  }
}

function ticks(pen) {
  const wanted = pen.span / Math.max(2, (pen.width - GUTTER) / 110);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= wanted));
  const found = [];
  for (let at = Math.ceil(pen.left / step) * step; at <= pen.right; at += step) found.push(at);
  return { step, found };
}

function drawGrid(pen) {
  const { context, colour } = pen;
  context.strokeStyle = colour.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const at of ticks(pen).found) {
    const x = Math.round(pen.x(at)) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, pen.height);
  }
  context.stroke();
}

function drawRuler(pen) {
  const { context, colour } = pen;
  const { step, found } = ticks(pen);
  context.fillStyle = colour.soft;
  context.font = "12px " + pen.sans;
  context.textBaseline = "middle";
  for (const at of found) {
    const words = seconds(at, step);
    const x = pen.x(at);
    const half = context.measureText(words).width / 2;
    context.fillRect(Math.round(x), pen.height - 5, 1, 5);
    context.fillText(words, Math.max(GUTTER - 8, Math.min(pen.width - 2 * half, x - half)), pen.height / 2 - 3);
  }
}

// Everything left of the axis belongs to labels: paint it over whatever ran into it.
function drawLabels(pen, labels) {
  const { context, colour } = pen;
  context.fillStyle = colour.card;
  context.fillRect(0, 0, GUTTER - 1, pen.height);
  context.textBaseline = "middle";
  for (const { y, text, small, bold } of labels) {
    context.fillStyle = small || !bold ? colour.soft : colour.ink;
    context.font = (bold ? "600 13px " : small ? "11px " : "12.5px ") + pen.sans;
    context.fillText(text, 0, y, GUTTER - 12);
  }
}

// Draws only what fits, and says whether it did: callers try shorter words next.
function drawText(pen, text, x, y, room, ink, font) {
  if (room < 14) return false;
  const { context } = pen;
  context.font = font || "11.5px " + pen.sans;
  if (context.measureText(text).width > room) return false;
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.fillText(text, x, y);
  return true;
}

// Gestures on the whole stage, one set for all panels.
function listen(stage, view, panels, tip, hair, range) {
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    const canvas = panels[0].canvas.getBoundingClientRect();
    const pen = panels[0].pen();
    const x = Math.max(GUTTER, Math.min(pen.width, event.clientX - canvas.left));
    return { x, us: pen.us(x), onStage: x + canvas.left - box.left };
  };
  let drag = null;

  stage.addEventListener("wheel", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    // The page scrolls on where zooming has nothing left to do.
    if (!sideways && event.deltaY > 0 && view.span >= view.end) return;
    event.preventDefault();
    if (sideways) view.move((event.deltaX / 800) * view.span);
    else view.zoom(1.0018 ** event.deltaY, place(event).us);
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.tagName !== "CANVAS" || event.button !== 0) return;
    drag = { from: place(event), moving: event.shiftKey, left: view.left, right: view.right };
    event.target.setPointerCapture(event.pointerId);
    tip.hidden = true;
  });

  stage.addEventListener("pointermove", (event) => {
    const here = place(event);
    if (drag && drag.moving) {
      const shift = ((drag.from.x - here.x) / (panels[0].pen().width - GUTTER)) * view.span;
      view.show(drag.left + shift, drag.right + shift);
      return;
    }
    if (drag) {
      range.hidden = Math.abs(here.x - drag.from.x) < 4;
      range.style.left = Math.min(here.onStage, drag.from.onStage) + "px";
      range.style.width = Math.abs(here.onStage - drag.from.onStage) + "px";
      return;
    }
    const panel = panels.find((candidate) => candidate.canvas === event.target);
    hair.hidden = !panel;
    hair.style.left = here.onStage + "px";
    if (panel) explain(panel, event, tip);
    else tip.hidden = true;
  });

  stage.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const here = place(event);
    if (!drag.moving && !range.hidden) view.show(Math.min(drag.from.us, here.us), Math.max(drag.from.us, here.us));
    range.hidden = true;
    drag = null;
  });

  stage.addEventListener("pointerleave", () => { tip.hidden = hair.hidden = true; });
  stage.addEventListener("dblclick", (event) => { if (event.target.tagName === "CANVAS") view.whole(); });
  stage.addEventListener("keydown", (event) => {
    const middle = (view.left + view.right) / 2;
    const act = {
      ArrowLeft: () => view.move(-view.span / 5), ArrowRight: () => view.move(view.span / 5),
      "+": () => view.zoom(0.6, middle), "=": () => view.zoom(0.6, middle), "-": () => view.zoom(1 / 0.6, middle), 0: () => view.whole(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function explain(panel, event, tip) {
  const box = panel.canvas.getBoundingClientRect();
  const words = panel.find && panel.find(event.clientX - box.left, event.clientY - box.top, panel.pen());
  tip.hidden = !words;
  if (!words) return;
  const [title, ...lines] = words;
  const heading = document.createElement("b");
  heading.textContent = title;
  tip.replaceChildren(heading, ...lines.filter(Boolean).map((line) => {
    const row = document.createElement("div");
    row.textContent = line;
    return row;
  }));
  const { width, height } = tip.getBoundingClientRect();
  const x = event.clientX + 16 + width > innerWidth ? event.clientX - 16 - width : event.clientX + 16;
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = Math.max(4, Math.min(innerHeight - height - 4, event.clientY + 16)) + "px";
}
