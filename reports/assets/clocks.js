"use strict";
// Clock offsets over time: one line for each clock that was measured or made wrong.

const CLOCK_COLOURS = ["leader", "applied", "hit", "candidate", "halted", "paused"];

function clockColour(number) {
  return CLOCK_COLOURS[number % CLOCK_COLOURS.length];
}

function clockName({ node, clock }) {
  return clock === "wall" ? node : `${node} (${clock})`;
}

function clockPanel(clocks, bands) {
  const HEIGHT = 150;
  const far = Math.max(1, ...clocks.flatMap(({ points }) => points.filter((_, place) => place % 2).map(Math.abs)));
  const y = (offset) => HEIGHT / 2 - (offset / far) * (HEIGHT / 2 - 14);
  return {
    height: HEIGHT,
    draw(pen) {
      drawWash(pen, bands);
      drawGrid(pen);
      const { context, colour } = pen;
      context.fillStyle = colour.grid;
      for (const offset of [-far, 0, far]) context.fillRect(GUTTER, Math.round(y(offset)), pen.width, 1);
      context.lineWidth = 1.5;
      clocks.forEach(({ points }, number) => {
        context.strokeStyle = context.fillStyle = colour[clockColour(number)];
        context.beginPath();
        for (let at = 0; at < points.length; at += 2) context.lineTo(pen.x(points[at]), y(points[at + 1]));
        context.stroke();
        for (let at = 0; at < points.length; at += 2) context.fillRect(pen.x(points[at]) - 1.5, y(points[at + 1]) - 1.5, 3, 3);
      });
      drawLabels(pen, [-far, 0, far].map((offset) => ({ y: y(offset), text: offset ? (offset < 0 ? "−" : "+") + duration(far) : "right" })));
    },
    find(x, pointer, pen) {
      let best = null;
      let reach = 8;
      for (const series of clocks) {
        for (let at = 0; at < series.points.length; at += 2) {
          const distance = Math.hypot(pen.x(series.points[at]) - x, y(series.points[at + 1]) - pointer);
          if (distance < reach) { best = [series, at]; reach = distance; }
        }
      }
      if (!best) return null;
      const [series, at] = best;
      const offset = series.points[at + 1];
      return [clockName(series), offset ? `${duration(Math.abs(offset))} ${offset < 0 ? "behind" : "ahead"}` : "right", seconds(series.points[at])];
    },
  };
}
