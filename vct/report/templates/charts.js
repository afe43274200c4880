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
for (const [name, spec] of Object.entries(specs)) {
  const place = document.getElementById(name);
  vegaEmbed(place, spec, options).catch((error) => {
    place.textContent = "This chart could not be drawn (" + error.message + "); its numbers are in the CSV file named below.";
  });
}
