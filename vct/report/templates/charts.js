"use strict";
const specs = JSON.parse(document.getElementById("specs").textContent);
const options = {
  actions: false,
  ast: true,
  defaultStyle: false,
  mode: "vega-lite",
  renderer: "svg",
  tooltip: { disableDefaultStyle: true },
};

/** How many pixels lie between what is seen of the page and an element. */
function away(place) {
  const box = place.getBoundingClientRect();
  return Math.max(box.top - innerHeight, -box.bottom, 0);
}

/** One chart after the other, the nearest to what is seen first, so that the page can be read and scrolled meanwhile. */
async function drawAll() {
  const waiting = Object.keys(specs).map((name) => document.getElementById(name));
  while (waiting.length > 0) {
    await new Promise((next) => setTimeout(next));
    const nearest = waiting.reduce((best, place) => (away(place) < away(best) ? place : best));
    waiting.splice(waiting.indexOf(nearest), 1);
    try {
      await vegaEmbed(nearest, specs[nearest.id], options);
      // The element around it has the words; Vega's own roles say nothing more.
      nearest.querySelector("svg").setAttribute("aria-hidden", "true");
    } catch (error) {
      nearest.textContent = "This chart could not be drawn (" + error.message + "); its numbers are in the CSV file named below.";
    }
  }
}
drawAll();
