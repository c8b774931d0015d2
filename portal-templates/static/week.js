// Paints a week with the mouse, a finger or the keyboard. Without this, hours are set with the form below the week.
"use strict";

const week = document.querySelector("[data-week]");
const brushes = document.querySelector("[data-brush]");
const hours = document.querySelector("input[name=hours]");
const cells = [...week.querySelectorAll("td")];
const PER_DAY = 24;

const words = new Map();
brushes.querySelectorAll("input").forEach((input) => words.set(input.value, input.parentElement.textContent.trim()));
brushes.hidden = false;

// The table becomes one stop of the tab key, in which arrows go from hour to hour.
week.setAttribute("role", "grid");
cells.forEach((cell, at) => {
  cell.setAttribute("role", "gridcell");
  cell.tabIndex = at === 0 ? 0 : -1;
});

function paint(cell) {
  const brush = brushes.querySelector("input:checked").value;
  cell.className = `hour ${brush}`;
  cell.firstElementChild.textContent = words.get(brush);
  hours.value = cells.map((each) => each.className.split(" ")[1][0]).join("");
}

function go(to) {
  if (!cells[to]) return;
  cells.forEach((cell) => (cell.tabIndex = -1));
  cells[to].tabIndex = 0;
  cells[to].focus();
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -PER_DAY, ArrowDown: PER_DAY };

week.addEventListener("keydown", (event) => {
  const at = cells.indexOf(event.target);
  if (at < 0) return;
  if (event.key === " " || event.key === "Enter") paint(cells[at]);
  else if (event.key in STEPS) {
    go(at + STEPS[event.key]);
    // With the shift key held, the way is painted.
    if (event.shiftKey) paint(document.activeElement);
  } else return;
  event.preventDefault();
});

week.addEventListener("pointerdown", (event) => {
  if (!cells.includes(event.target)) return;
  // A finger holds on to where it came down; here it paints what it passes.
  event.target.releasePointerCapture(event.pointerId);
  event.preventDefault();
  go(cells.indexOf(event.target));
  paint(event.target);
});
week.addEventListener("pointerover", (event) => {
  if (event.buttons & 1 && cells.includes(event.target)) paint(event.target);
});
