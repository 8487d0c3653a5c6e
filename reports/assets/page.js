"use strict";
// Puts the page together: data, panels, buttons. Sets window.DONE when everything is drawn, and counts in window.REPRISE.

function addPanel(stage, view, title, legend, parts) {
  const section = document.createElement("div");
  section.className = "panel";
  const header = document.createElement("header");
  const heading = document.createElement("h3");
  heading.textContent = title;
  const key = document.createElement("div");
  key.className = "legend";
  for (const [colour, words, sign] of legend) {
    const item = document.createElement("span");
    const swatch = document.createElement("i");
    if (sign) {
      swatch.className = "text";
      swatch.textContent = sign;
      swatch.style.color = `var(--${colour})`;
    } else {
      swatch.style.background = `var(--${colour})`;
    }
    item.append(swatch, words);
    key.append(item);
  }
  header.append(heading, key);
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  section.append(header, canvas);
  stage.append(section);
  return new Panel(view, { canvas, ...parts });
}

function addOverlay(stage, id) {
  const overlay = document.createElement("div");
  overlay.id = id;
  overlay.hidden = true;
  stage.append(overlay);
  return overlay;
}

function countWords(counts) {
  const words = [`${counts.operations.toLocaleString("en")} operations`];
  if (counts.operations < counts.total) words[0] = `showing ${counts.operations.toLocaleString("en")} of ${counts.total.toLocaleString("en")} operations`;
  if (counts.threads < counts.threadsTotal) words.push(`showing ${counts.threads} of ${counts.threadsTotal} client rows`);
  if (counts.bands) words.push(`${counts.bands} faults`);
  if (counts.lanes) words.push(`${counts.lanes} replicas`);
  return words.join(" · ");
}

function copyCommand(button) {
  const command = document.getElementById("command");
  navigator.clipboard.writeText(command.textContent).then(
    () => { button.textContent = "Copied"; },
    () => { getSelection().selectAllChildren(command); button.textContent = "Selected"; },
  ).then(() => setTimeout(() => { button.textContent = "Copy"; }, 1500));
}

async function main() {
  const raw = JSON.parse(document.getElementById("data").textContent);
  const operations = await loadOperations(raw.operations);
  const stage = document.getElementById("stage");
  const view = new View(raw.end_us);
  const counts = {
    operations: operations.count, total: operations.total, threads: 0, threadsTotal: 0, boxes: 0,
    bands: raw.bands.length, clocks: raw.clocks.length, lanes: raw.lanes.length, findings: raw.findings.length,
    marks: raw.lanes.reduce((sum, lane) => sum + lane.marks.length, 0),
  };

  const ruler = document.createElement("canvas");
  ruler.setAttribute("aria-hidden", "true");
  document.getElementById("ruler").append(ruler);
  const panels = [new Panel(view, { canvas: ruler, height: 26, draw: drawRuler })];
  if (raw.bands.length) panels.push(addPanel(stage, view, "Faults", [], faultsPanel(raw.bands, raw.band_kinds)));
  if (raw.lanes.length) {
    panels.push(addPanel(stage, view, "Replicas", [
      ["leader", "leader"], ["follower", "follower"], ["candidate", "candidate"], ["paused", "paused"], ["halted", "halted"],
      ["applied", "applied index"], ["hit", "crash point", "▼"], ["soft", "process gone", "▮"], ["valid", "start", "▲"],
      ["applied", "snapshot", "◆"], ["leader", "snapshot installed", "◆"], ["hit", "false claim", "●"],
    ], lanesPanel(raw.lanes, raw.findings)));
  }
  if (raw.clocks.length) {
    panels.push(addPanel(stage, view, "Clock offsets", raw.clocks.map((series, number) => [clockColour(number), clockName(series)]), clockPanel(raw.clocks, raw.bands)));
  }
  if (operations.count) {
    const types = [["ok", "ok", "●"], ["info", "info: nobody knows", "▲"], ["fail", "fail: no effect", "✕"]];
    panels.push(addPanel(stage, view, "Latency of operations", types, latencyPanel(operations, raw.bands)));
    panels.push(addPanel(stage, view, "Operations", types.map(([colour, words]) => [colour, words]), operationsPanel(operations, raw.bands, counts)));
  }
  const hair = addOverlay(stage, "hair");
  const range = addOverlay(stage, "range");
  listen(stage, view, panels, document.getElementById("tip"), hair, range);

  const words = document.getElementById("window");
  view.followers.push(() => { words.textContent = `${seconds(view.left, view.span / 1000)} to ${seconds(view.right, view.span / 1000)}`; });
  document.getElementById("whole").addEventListener("click", () => view.whole());
  const copy = document.getElementById("copy");
  if (copy) copy.addEventListener("click", () => copyCommand(copy));
  for (const button of document.querySelectorAll(".jump")) {
    button.addEventListener("click", () => {
      view.focus(Number(button.dataset.at));
      document.getElementById("charts").scrollIntoView();
    });
  }
  new ResizeObserver(() => view.changed()).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view.changed());

  for (const follow of view.followers) follow();
  document.getElementById("counts").textContent = countWords(counts);
  window.REPRISE = { ...counts, view };
  window.DONE = true;
}

main();
