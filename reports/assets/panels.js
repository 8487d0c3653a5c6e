"use strict";
// What is drawn on the time axis: faults, replicas, latencies, operations. Each function returns the parts of one Panel.

const TYPE_COLOURS = ["ok", "fail", "info"];
const THREADS_MAX = 60;
const DENSE = 20000;
const STACK_MAX = 6;

// ---- faults: one row per kind, a box per fault -----------------------------------------------------------------

function faultsPanel(bands, kinds) {
  const ROW = 19;
  const rows = stackedRows(bands, kinds);
  const box = (row, band, pen) => {
    const x = pen.x(band.start_us);
    return { x, width: Math.max(3, pen.x(band.end_us) - x), y: row * ROW + 2 };
  };
  return {
    height: rows.length * ROW + 2,
    draw(pen) {
      drawGrid(pen);
      rows.forEach(({ kind, bands: inRow }, row) => {
        for (const band of inRow) {
          if (band.end_us >= pen.left && band.start_us <= pen.right) drawBand(pen, box(row, band, pen), band, kind);
        }
      });
      drawLabels(pen, rows.map(({ name }, row) => ({ y: row * ROW + 10, text: name })));
    },
    find(x, y, pen) {
      const row = Math.floor(y / ROW);
      const hit = rows[row] && rows[row].bands.findLast((band) => {
        const place = box(row, band, pen);
        return x >= place.x - 3 && x <= place.x + place.width + 3;
      });
      if (!hit) return null;
      const until = hit.end_us > hit.start_us ? ` to ${seconds(hit.end_us)} (${duration(hit.end_us - hit.start_us)})` : "";
      return [hit.label, hit.target, seconds(hit.start_us) + until];
    },
  };
}

// Faults of one kind may overlap: each takes the first row of its kind that is free. What finds no row any more shares
// the last one.
function stackedRows(bands, kinds) {
  const rows = [];
  for (const kind of kinds) {
    const own = [];
    for (const band of bands.filter((candidate) => candidate.kind === kind)) {
      let row = own.find((candidate) => candidate.until <= band.start_us);
      if (!row && own.length < STACK_MAX) own.push(row = { kind, name: own.length ? "" : kind, until: 0, bands: [] });
      row = row || own.at(-1);
      row.bands.push(band);
      row.until = Math.max(row.until, band.end_us);
    }
    rows.push(...own);
  }
  return rows;
}

function drawBand(pen, { x, width, y }, band, kind) {
  const { context, colour } = pen;
  const struck = kind === "crash points";
  context.globalAlpha = struck ? 1 : 0.28;
  context.fillStyle = struck ? colour.hit : colour["band-ink"];
  context.beginPath();
  context.roundRect(x, y, width, 16, 3);
  context.fill();
  context.globalAlpha = 1;
  if (struck) return;
  const from = Math.max(x, GUTTER) + 6;
  [`${band.label} ${band.target}`, band.label].some((text) => drawText(pen, text, from, y + 8.5, x + width - from - 4, colour.ink));
}

// ---- replicas: role and term, applied index, marks ---------------------------------------------------------------

const LANE = 84;
const LABELLED = ["hit", "halt", "claim", "stop"];
const STATE_WORDS = { pre_candidate: "pre-candidate" };
const SIGNS = {
  hit: { colour: "hit", path: (c, x, y) => { c.moveTo(x - 5, y - 5); c.lineTo(x + 5, y - 5); c.lineTo(x, y + 4); } },
  halt: { colour: "halted", path: (c, x, y) => c.rect(x - 4, y - 4, 8, 8) },
  start: { colour: "valid", path: (c, x, y) => { c.moveTo(x - 4, y + 4); c.lineTo(x + 4, y + 4); c.lineTo(x, y - 4); } },
  stop: { colour: "soft", path: (c, x, y) => { c.rect(x - 1.5, y - 5, 3, 10); } },
  snapshot: { colour: "applied", path: (c, x, y) => { c.moveTo(x, y - 5); c.lineTo(x + 5, y); c.lineTo(x, y + 5); c.lineTo(x - 5, y); } },
  install: { colour: "leader", path: (c, x, y) => { c.moveTo(x, y - 5); c.lineTo(x + 5, y); c.lineTo(x, y + 5); c.lineTo(x - 5, y); } },
  claim: { colour: "hit", path: (c, x, y) => { c.arc(x, y, 4.5, 0, 7); } },
};

function lanesPanel(lanes, findings) {
  const groups = new Set(lanes.map((lane) => lane.group)).size > 1;
  const highest = Math.max(1, ...lanes.flatMap((lane) => [...Array(lane.applied.length / 2).keys()].map((at) => lane.applied[2 * at + 1])));
  const own = lanes.map((lane) => findings.filter((finding) => finding.node === lane.node));
  return {
    height: lanes.length * LANE + 2,
    draw(pen) {
      drawGrid(pen);
      lanes.forEach((lane, number) => {
        const top = number * LANE;
        drawApplied(pen, lane.applied, top + 30, LANE - 36, highest);
        for (const span of lane.spans) drawState(pen, span, top + 6);
        drawMarks(pen, lane.marks, top + 35);
        for (const finding of own[number]) drawFinding(pen, finding, top);
        pen.context.fillStyle = pen.colour.grid;
        if (number) pen.context.fillRect(0, top, pen.width, 1);
      });
      drawLabels(pen, lanes.flatMap((lane, number) => [
        { y: number * LANE + 16, text: lane.node + (groups ? ` · group ${lane.group}` : ""), bold: true },
        { y: number * LANE + 38, text: `applied ${lastApplied(lane.applied, pen.right).toLocaleString("en")}`, small: true },
      ]));
    },
    find(x, y, pen) {
      const number = Math.floor(y / LANE);
      const lane = lanes[number];
      if (!lane || x < GUTTER) return null;
      const inside = y - number * LANE;
      const finding = own[number].find((candidate) => Math.abs(pen.x(candidate.at_us) - x) < 8 && inside > LANE - 26);
      if (finding) return [`Finding ${finding.number}`, finding.what, seconds(finding.at_us)];
      const mark = inside > 26 && nearest(lane.marks, x, pen);
      if (mark) return [`${lane.node} ${mark[3]}`, seconds(mark[0])];
      const at = pen.us(x);
      const span = lane.spans.find((candidate) => candidate[0] <= at && at < candidate[1]);
      if (!span) return null;
      const applied = appliedAt(lane.applied, at);
      return [
        `${lane.node} ${STATE_WORDS[span[2]] || span[2]}` + (span[3] ? `, term ${span[3].toLocaleString("en")}` : ""),
        `${seconds(span[0])} to ${seconds(span[1])} (${duration(span[1] - span[0])})`,
        applied >= 0 && `applied index ${applied.toLocaleString("en")} at ${seconds(at)}`,
      ];
    },
  };
}

function drawState(pen, [start, end, state, term], top) {
  if (end < pen.left || start > pen.right) return;
  const { context, colour } = pen;
  const name = state === "pre_candidate" ? "candidate" : state;
  const x = Math.max(GUTTER - 2, pen.x(start));
  const width = Math.max(1, Math.min(pen.width + 2, pen.x(end)) - x);
  if (name === "down") {
    context.strokeStyle = colour.down;
    context.setLineDash([3, 3]);
    context.strokeRect(x + 0.5, top + 0.5, width - 1, 17);
    context.setLineDash([]);
    drawText(pen, "down", x + 6, top + 9.5, width - 10, colour.soft);
    return;
  }
  context.globalAlpha = state === "pre_candidate" ? 0.6 : 1;
  context.fillStyle = colour[name];
  context.beginPath();
  context.roundRect(x, top, Math.max(1, width - 1), 18, Math.min(4, width / 3));
  context.fill();
  context.globalAlpha = 1;
  const ink = colour[name + "-ink"];
  const words = STATE_WORDS[state] || state;
  const room = width - 12;
  const texts = term ? [`${words} · term ${term}`, words, String(term)] : [words];
  texts.some((text) => drawText(pen, text, x + 6, top + 9.5, room, ink));
}

function drawApplied(pen, applied, top, height, highest) {
  const { context, colour } = pen;
  const y = (index) => top + height - (index / highest) * height;
  const base = top + height;
  const first = Math.max(0, lastBefore(applied, pen.left));
  const line = new Path2D();
  const area = new Path2D();
  let alive = false;
  let x = 0;
  let level = 0;
  for (let at = first; at < applied.length / 2; at++) {
    const index = applied[2 * at + 1];
    x = Math.max(GUTTER - 2, pen.x(Math.min(applied[2 * at], pen.right)));
    if (alive) { line.lineTo(x, level); area.lineTo(x, level); }
    if (index < 0) {
      if (alive) area.lineTo(x, base);
      alive = false;
    } else {
      level = y(index);
      if (alive) { line.lineTo(x, level); area.lineTo(x, level); }
      else { line.moveTo(x, level); area.moveTo(x, base); area.lineTo(x, level); }
      alive = true;
    }
    if (applied[2 * at] > pen.right) break;
  }
  if (alive) {
    x = pen.x(pen.right);
    line.lineTo(x, level);
    area.lineTo(x, level);
    area.lineTo(x, base);
  }
  context.fillStyle = colour["applied-soft"];
  context.fill(area);
  context.strokeStyle = colour.applied;
  context.lineWidth = 1.4;
  context.stroke(line);
  context.lineWidth = 1;
}

// Signs on one row, their labels on the row below: a crash point's name first, then what else finds room.
function drawMarks(pen, marks, y) {
  const { context, colour } = pen;
  const visible = marks.filter(([at]) => at >= pen.left && at <= pen.right);
  context.strokeStyle = colour.card;
  context.lineWidth = 2;
  // The most telling sign is drawn last, on top of what happened at the same moment.
  const order = ([, sign]) => (LABELLED.indexOf(sign) + 1 || LABELLED.length + 1);
  for (const [at, sign] of visible.toSorted((one, other) => order(other) - order(one))) {
    context.beginPath();
    SIGNS[sign].path(context, pen.x(at), y);
    context.fillStyle = colour[SIGNS[sign].colour];
    context.stroke();
    context.fill();
  }
  context.lineWidth = 1;
  context.font = "600 11px " + pen.sans;
  const taken = [];
  for (const wanted of LABELLED) {
    for (const [at, sign, label] of visible) {
      if (sign === wanted && label) drawMarkLabel(pen, pen.x(at), y + 15, label, colour[SIGNS[sign].colour], taken);
    }
  }
}

function drawMarkLabel(pen, x, y, label, ink, taken) {
  const { context, colour } = pen;
  const width = context.measureText(label).width;
  const left = Math.max(GUTTER, Math.min(pen.width - width, x - 5));
  if (taken.some(([from, to]) => left < to + 8 && left + width + 8 > from)) return;
  taken.push([left, left + width]);
  context.globalAlpha = 0.82;
  context.fillStyle = colour.card;
  context.fillRect(left - 2, y - 7, width + 4, 14);
  context.globalAlpha = 1;
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.fillText(label, left, y + 0.5);
}

function drawFinding(pen, finding, top) {
  if (finding.at_us < pen.left || finding.at_us > pen.right) return;
  const { context, colour } = pen;
  const x = pen.x(finding.at_us);
  context.strokeStyle = colour.invalid;
  context.setLineDash([4, 3]);
  context.beginPath();
  context.moveTo(x, top + 2);
  context.lineTo(x, top + LANE - 2);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = colour.invalid;
  context.beginPath();
  context.arc(x, top + LANE - 13, 8.5, 0, 7);
  context.fill();
  context.font = "700 11px " + pen.sans;
  context.fillStyle = colour.card;
  context.textBaseline = "middle";
  const half = context.measureText(String(finding.number)).width / 2;
  context.fillText(String(finding.number), x - half, top + LANE - 12.5);
}

function nearest(marks, x, pen) {
  let best = null;
  let reach = 8;
  for (const mark of marks) {
    const distance = Math.abs(pen.x(mark[0]) - x);
    if (distance < reach) { best = mark; reach = distance; }
  }
  return best;
}

function lastBefore(applied, at) {
  let low = 0;
  let high = applied.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (applied[2 * middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function appliedAt(applied, at) {
  const point = lastBefore(applied, at);
  return point < 0 ? -1 : applied[2 * point + 1];
}

// As `appliedAt`, and for a replica that is down what it had applied before.
function lastApplied(applied, at) {
  let point = lastBefore(applied, at);
  while (point > 0 && applied[2 * point + 1] < 0) point--;
  return point < 0 ? 0 : Math.max(0, applied[2 * point + 1]);
}

// ---- latencies: one point per operation, logarithmic --------------------------------------------------------------

function latencyPanel(operations, bands) {
  const HEIGHT = 190;
  let low = Infinity;
  let high = 0;
  for (let row = 0; row < operations.count; row++) {
    if (operations.process[row] === NEMESIS) continue;
    const us = operations.length[row];
    if (us > 0) low = Math.min(low, us);
    high = Math.max(high, us);
  }
  // What took no time at all is drawn on the floor.
  const floor = Number.isFinite(low) ? Math.floor(Math.log10(low)) : 0;
  const ceiling = Math.max(floor + 1, Math.ceil(Math.log10(Math.max(1, high))));
  const y = (us) => HEIGHT - 10 - ((Math.log10(Math.max(10 ** floor, us)) - floor) / (ceiling - floor)) * (HEIGHT - 20);
  const visible = (pen) => [firstAtLeast(operations.start, pen.left, operations.count), firstAtLeast(operations.start, pen.right, operations.count)];
  return {
    height: HEIGHT,
    draw(pen) {
      drawWash(pen, bands);
      drawGrid(pen);
      const { context, colour } = pen;
      context.fillStyle = colour.grid;
      const labels = [];
      for (let power = floor; power <= ceiling; power++) {
        context.fillRect(GUTTER, Math.round(y(10 ** power)), pen.width, 1);
        labels.push({ y: y(10 ** power), text: decade(power) });
      }
      const [from, to] = visible(pen);
      if (to - from > DENSE) drawDense(pen, operations, from, to, y);
      else drawPoints(pen, operations, from, to, y);
      drawLabels(pen, labels);
    },
    find(x, pointer, pen) {
      let [from, to] = visible(pen);
      from = Math.max(from, firstAtLeast(operations.start, pen.us(x - 7), operations.count));
      to = Math.min(to, firstAtLeast(operations.start, pen.us(x + 7), operations.count));
      let best = -1;
      let reach = 8;
      for (let row = from; row < to; row++) {
        if (operations.process[row] === NEMESIS) continue;
        const distance = Math.hypot(pen.x(operations.start[row]) - x, y(operations.length[row]) - pointer);
        if (distance < reach) { best = row; reach = distance; }
      }
      return best < 0 ? null : operationWords(operations, best);
    },
  };
}

function decade(power) {
  const [size, unit] = power >= 6 ? [power - 6, "s"] : power >= 3 ? [power - 3, "ms"] : [power, "µs"];
  return `${(10 ** size).toLocaleString("en")} ${unit}`;
}

// Faults as a shade behind, so that the eye can follow them down the page. Overlapping ones make one shade.
function drawWash(pen, bands) {
  pen.context.fillStyle = pen.colour.band;
  let from = 0;
  let to = -1;
  const paint = () => {
    const x = Math.max(GUTTER, pen.x(from));
    if (to > from) pen.context.fillRect(x, 0, pen.x(to) - x, pen.height);
  };
  for (const band of bands) {
    if (band.start_us > to) {
      paint();
      from = band.start_us;
    }
    to = Math.max(to, band.end_us);
  }
  paint();
}

function drawPoints(pen, operations, from, to, y) {
  const { context, colour } = pen;
  const size = to - from > 4000 ? 1.3 : 2.2;
  for (const type of [0, 2, 1]) {
    context.fillStyle = context.strokeStyle = colour[TYPE_COLOURS[type]];
    context.globalAlpha = type === 0 ? 0.65 : 0.95;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let row = from; row < to; row++) {
      if (operations.type[row] !== type || operations.process[row] === NEMESIS) continue;
      const x = pen.x(operations.start[row]);
      const level = y(operations.length[row]);
      if (type === 0) { context.moveTo(x + size, level); context.arc(x, level, size, 0, 7); }
      else if (type === 2) { context.moveTo(x, level - 4); context.lineTo(x + 4, level + 3); context.lineTo(x - 4, level + 3); context.closePath(); }
      else { context.moveTo(x - 3, level - 3); context.lineTo(x + 3, level + 3); context.moveTo(x + 3, level - 3); context.lineTo(x - 3, level + 3); }
    }
    if (type === 1) context.stroke();
    else context.fill();
  }
  context.globalAlpha = 1;
  context.lineWidth = 1;
}

// Many points: count them per two-pixel cell, then paint each cell once; what is not ok is painted over what is.
function drawDense(pen, operations, from, to, y) {
  const CELL = 2;
  const { context, colour } = pen;
  const wide = Math.ceil((pen.width - GUTTER) / CELL) + 1;
  const high = Math.ceil(pen.height / CELL) + 1;
  const counts = [0, 1, 2].map(() => new Uint32Array(wide * high));
  for (let row = from; row < to; row++) {
    if (operations.process[row] === NEMESIS) continue;
    const column = Math.floor((pen.x(operations.start[row]) - GUTTER) / CELL);
    counts[operations.type[row]][Math.floor(y(operations.length[row]) / CELL) * wide + column]++;
  }
  for (const type of [0, 2, 1]) {
    context.fillStyle = colour[TYPE_COLOURS[type]];
    for (let cell = 0; cell < wide * high; cell++) {
      const count = counts[type][cell];
      if (!count) continue;
      context.globalAlpha = type === 0 ? Math.min(1, 0.25 + Math.log2(1 + count) / 8) : 1;
      context.fillRect(GUTTER + (cell % wide) * CELL, Math.floor(cell / wide) * CELL, CELL, CELL);
    }
  }
  context.globalAlpha = 1;
}

function operationWords(operations, row) {
  const text = operations.texts[row];
  const who = operations.process[row] === NEMESIS ? "nemesis" : `client ${operations.process[row]}`;
  return [
    `${operations.types[operations.type[row]]}: ${operations.fs[operations.f[row]]} ${text || ""}`,
    `${who}${operations.nodes[operations.node[row]] ? " at " + operations.nodes[operations.node[row]] : ""}`,
    `${seconds(operations.start[row])}, took ${duration(operations.length[row])}`,
  ];
}

// ---- operations: one row per client thread, a box per operation -------------------------------------------------------

function operationsPanel(operations, bands, drawn) {
  const ROW = 18;
  const all = threadRows(operations);
  const threads = all.slice(0, THREADS_MAX);
  drawn.threads = threads.length;
  drawn.threadsTotal = all.length;
  return {
    height: threads.length * ROW + 4,
    draw(pen) {
      const { context, colour } = pen;
      drawWash(pen, bands);
      drawGrid(pen);
      drawn.boxes = 0;
      threads.forEach((thread, number) => {
        const y = number * ROW + 3;
        // The operation before the window may reach into it.
        let place = Math.max(0, firstAtLeast(thread.starts, pen.left) - 1);
        let covered = -1;
        for (; place < thread.rows.length && thread.starts[place] <= pen.right; place++) {
          const row = thread.rows[place];
          const x = pen.x(operations.start[row]);
          const end = Math.max(x + 1.5, pen.x(operations.start[row] + operations.length[row]));
          const type = operations.type[row];
          // What would add less than a pixel to the boxes before it is not worth a call; what is not ok always is.
          if (end < GUTTER || (type === 0 && end - covered < 0.8)) continue;
          covered = Math.max(covered, end);
          const nemesis = operations.process[row] === NEMESIS;
          context.fillStyle = nemesis ? colour["band-ink"] : colour[TYPE_COLOURS[type]];
          context.globalAlpha = nemesis ? 0.4 : type === 0 ? 0.75 : 1;
          if (end - x < 4) {
            context.fillRect(x, y, end - x, ROW - 5);
          } else {
            context.beginPath();
            context.roundRect(x, y, end - x, ROW - 5, 3);
            context.fill();
          }
          context.globalAlpha = 1;
          drawn.boxes++;
          if (end - x > 30) {
            const from = Math.max(x, GUTTER) + 5;
            const name = operations.fs[operations.f[row]];
            const ink = nemesis ? colour.ink : colour.card;
            const texts = [`${name} ${operations.texts[row] || ""}`, name];
            texts.some((text) => drawText(pen, text, from, y + 7, end - from - 4, ink, "11px " + pen.sans));
          }
        }
      });
      drawLabels(pen, threads.map((thread, number) => ({ y: number * ROW + 10, text: thread.name })));
    },
    find(x, y, pen) {
      const thread = threads[Math.floor(y / ROW)];
      if (!thread || x < GUTTER) return null;
      const last = firstAtLeast(thread.starts, pen.us(x + 2)) - 1;
      for (let place = last; place >= Math.max(0, last - 3); place--) {
        const row = thread.rows[place];
        if (pen.x(operations.start[row] + operations.length[row]) >= x - 3) return operationWords(operations, row);
      }
      return null;
    },
  };
}
