"use strict";
// From the embedded JSON to arrays that can be drawn. Decides nothing about looks.

const COLUMN_TYPES = { start: Float64Array, length: Float64Array, process: Int32Array, f: Uint16Array, type: Uint8Array, node: Uint16Array };
const NEMESIS = -1;

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Columns of the history, and for each row how late any row up to it ended: the key to drawing a window only.
async function loadOperations(raw) {
  const operations = { count: raw.count, total: raw.total, types: raw.types, fs: raw.fs, nodes: raw.nodes, texts: raw.texts };
  for (const [name, Type] of Object.entries(COLUMN_TYPES)) {
    operations[name] = raw.packed ? new Type(await inflate(raw[name])) : Type.from(raw[name]);
  }
  operations.latestEnd = new Float64Array(raw.count);
  let latest = 0;
  for (let row = 0; row < raw.count; row++) {
    latest = Math.max(latest, operations.start[row] + operations.length[row]);
    operations.latestEnd[row] = latest;
  }
  return operations;
}

// The first place of a sorted array whose value is not below `wanted`.
function firstAtLeast(sorted, wanted, count = sorted.length) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Rows of the operation chart: the nemesis first, then one row per client thread. A process that ends "info" never comes
// back and its thread goes on under a new number, so a process takes the first row that is free when it begins.
function threadRows(operations) {
  const lives = new Map();
  for (let row = 0; row < operations.count; row++) {
    const process = operations.process[row];
    const life = lives.get(process) || lives.set(process, { begin: operations.start[row], end: 0, rows: [] }).get(process);
    life.end = Math.max(life.end, operations.start[row] + operations.length[row]);
    life.rows.push(row);
  }
  const threads = [];
  for (const [process, life] of lives) {
    if (process === NEMESIS) {
      threads.push({ name: "nemesis", first: NEMESIS, until: Infinity, rows: life.rows });
      continue;
    }
    const free = threads.find((thread) => thread.until <= life.begin);
    const thread = free || { name: "client " + process, first: process, until: 0, rows: [] };
    if (!free) threads.push(thread);
    thread.until = life.end;
    thread.rows.push(...life.rows);
  }
  threads.sort((one, other) => one.first - other.first);
  for (const thread of threads) thread.starts = Float64Array.from(thread.rows, (row) => operations.start[row]);
  return threads;
}

function seconds(us, step_us) {
  const digits = step_us === undefined ? 3 : Math.max(0, Math.min(6, Math.ceil(6 - Math.log10(step_us))));
  return (us / 1e6).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) + " s";
}

function duration(us) {
  if (us >= 1e6) return (us / 1e6).toPrecision(3) + " s";
  if (us >= 1e3) return (us / 1e3).toPrecision(3) + " ms";
  return Math.round(us) + " µs";
}
