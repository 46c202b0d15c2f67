// Contours of a function of two variables, and the paths of the methods from where the reader clicks.
"use strict";

const COLOURS = {"gradient descent": "#8a6508", "momentum": "#1f7a48", "L-BFGS": "#c0392b", "learned rule": "#1f5fbf"};
const LIMIT = 300, SIZE = 560;

function levels(values, n) {
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({length: n}, (_, i) => sorted[Math.floor(sorted.length * ((i + 0.3) / n) ** 2)]);
}

// Segments of a level line in a cell, by its corners (marching squares); x, y in cells.
function segments(corner, level, i, j) {
  const [a, b, c, d] = corner, cut = (p, q) => (level - p) / (q - p), ends = [];
  if ((a < level) !== (b < level)) ends.push([i + cut(a, b), j]);
  if ((b < level) !== (c < level)) ends.push([i + 1, j + cut(b, c)]);
  if ((d < level) !== (c < level)) ends.push([i + cut(d, c), j + 1]);
  if ((a < level) !== (d < level)) ends.push([i, j + cut(a, d)]);
  return ends.length === 4 ? [[ends[0], ends[1]], [ends[2], ends[3]]] : ends.length === 2 ? [ends] : [];
}

class Playground {
  constructor(root) {
    this.canvas = root.querySelector("canvas");
    this.table = root.querySelector("tbody");
    this.select = root.querySelector("select");
    this.shown = Object.fromEntries(Object.keys(METHODS).map((name) => [name, true]));
    for (const name of Object.keys(FUNCTIONS)) this.select.add(new Option(name, name));
    this.select.value = "Rosenbrock";
    this.select.addEventListener("change", () => this.choose());
    this.canvas.addEventListener("click", (event) => this.begin(this.placeOf(event)));
    this.choose();
  }

  choose() {
    this.function = FUNCTIONS[this.select.value];
    this.begin(this.function.start);
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect(), [left, right, low, high] = this.function.area;
    return [left + (right - left) * (event.clientX - box.left) / box.width,
      high - (high - low) * (event.clientY - box.top) / box.height];
  }

  pixel([x, y]) {
    const [left, right, low, high] = this.function.area;
    return [SIZE * (x - left) / (right - left), SIZE * (high - y) / (high - low)];
  }

  begin(x0) {
    this.start = x0;
    this.paths = Object.fromEntries(Object.entries(METHODS).map(([name, method]) =>
      [name, method(this.function.of, x0, LIMIT)]));
    this.draw();
    this.list();
  }

  draw() {
    const pen = this.canvas.getContext("2d"), n = 120, [left, right, low, high] = this.function.area;
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, SIZE, SIZE);
    const grid = Array.from({length: n + 1}, (_, j) => Array.from({length: n + 1}, (_, i) =>
      this.function.of([left + (right - left) * i / n, high - (high - low) * j / n])[0]));
    pen.strokeStyle = "#b5bcc6";
    pen.lineWidth = 1;
    for (const level of levels(grid.flat(), 16)) {
      pen.beginPath();
      for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) {
        const corner = [grid[j][i], grid[j][i + 1], grid[j + 1][i + 1], grid[j + 1][i]];
        for (const [from, to] of segments(corner, level, i, j)) {
          pen.moveTo(from[0] * SIZE / n, from[1] * SIZE / n);
          pen.lineTo(to[0] * SIZE / n, to[1] * SIZE / n);
        }
      }
      pen.stroke();
    }
    for (const [name, path] of Object.entries(this.paths)) if (this.shown[name]) this.trace(pen, path, COLOURS[name]);
    pen.fillStyle = "#111111";
    pen.beginPath();
    pen.arc(...this.pixel(this.start), 5, 0, 2 * Math.PI);
    pen.fill();
  }

  trace(pen, path, colour) {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.beginPath();
    let best = 0;
    pen.moveTo(...this.pixel(path.points[0]));
    path.points.forEach((point, i) => {  // a line through what was kept; a trial that was not is a dot
      if (path.values[i] <= path.values[best]) {
        best = i;
        pen.lineTo(...this.pixel(point));
      }
    });
    pen.stroke();
    for (const point of path.points) {
      pen.beginPath();
      pen.arc(...this.pixel(point), 2.4, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  list() {
    this.table.replaceChildren(...Object.entries(this.paths).map(([name, path]) => {
      const row = document.createElement("tr"), box = document.createElement("input"), n = path.points.length;
      box.type = "checkbox";
      box.checked = this.shown[name];
      box.setAttribute("aria-label", `show ${name}`);
      box.addEventListener("change", () => { this.shown[name] = box.checked; this.draw(); });
      const cells = [box, name, n < LIMIT ? `${n}` : `more than ${LIMIT}`, path.values[path.best].toExponential(1),
        `(${path.points[path.best].map((each) => each.toFixed(3)).join(", ")})`];
      for (const cell of cells) {
        const td = document.createElement("td");
        td.append(cell);
        row.append(td);
      }
      row.cells[1].style.borderLeft = `0.6em solid ${COLOURS[name]}`;  // text in it would be hard to read in dark mode
      row.cells[1].style.fontWeight = "bold";
      return row;
    }));
  }
}

document.querySelectorAll(".l2o-play").forEach((root) => new Playground(root));
