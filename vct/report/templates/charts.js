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

/** One chart after the other, so that the page can be read and scrolled meanwhile. */
async function drawAll() {
  for (const [name, spec] of Object.entries(specs)) {
    const place = document.getElementById(name);
    await new Promise((next) => setTimeout(next));
    try {
      await vegaEmbed(place, spec, options);
      // The element around it has the words; Vega's own roles say nothing more.
      place.querySelector("svg").setAttribute("aria-hidden", "true");
    } catch (error) {
      place.textContent = "This chart could not be drawn (" + error.message + "); its numbers are in the CSV file named below.";
    }
  }
}
drawAll();
