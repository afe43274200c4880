"use strict";
const scans = JSON.parse(document.getElementById("scans").textContent);
const at = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const CT = 0, PET = 1, OUTLINES = 2;
const MASKS = { labels: "organs", contour: "contour", truth: "truth" };
const COLOURS = { R: [0, 255, 64, 0], G: [0, 200, 255, 200], B: [0, 0, 64, 255], A: [0, 150, 220, 220], I: [0, 1, 2, 3] };
const EMPTY = "–";
const views = {}, masks = {};

const loaded = (base64, name, options = {}) => niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, ...options });

async function show(side) {
  const nv = views[side], scan = scans[at(side).value];
  const keep = nv.volumes.length ? cursor(nv) : null;
  const found = await Promise.all([
    loaded(scan.ct, "ct", { cal_min: -160, cal_max: 240 }),
    loaded(scan.pet, "pet"),
    loaded(scan.truth, "outlines"),
    ...Object.keys(MASKS).map((key) => scan[key] && loaded(scan[key], key)),
  ]);
  masks[side] = Object.fromEntries(Object.keys(MASKS).map((key, index) => [key, found[3 + index]]));
  nv.volumes = found.slice(0, 3);
  nv.back = nv.volumes[CT];
  nv.overlays = nv.volumes.slice(1);
  nv.volumes[OUTLINES].setColormapLabel(COLOURS);
  paint(side);
  if (keep) move(keep);
}

function paint(side) {
  const nv = views[side], mode = at("mode").value, top = Number(at("suv").value) || 7;
  const pet = nv.volumes[PET], alone = mode === "pet";
  Object.assign(pet, { colormap: alone ? "gray" : "hot", colormapInvert: alone, cal_min: alone ? 0 : 0.15 * top, cal_max: top });
  nv.volumes[CT].opacity = alone ? 0 : 1;
  pet.opacity = { ct: 0, pet: 1, fused: 0.7 }[mode];
  outline(nv.volumes[OUTLINES], masks[side]);
  nv.updateGLVolume();
}

/** Marks the voxels of the ticked masks that touch a voxel outside their own number: 1 organs, 2 contours, 3 truth. */
function outline(volume, found) {
  const [, nx, ny, nz] = volume.hdr.dims, steps = [1, -1, nx, -nx, nx * ny, -nx * ny], out = volume.img.fill(0);
  Object.entries(MASKS).forEach(([key, box], index) => {
    if (!found[key] || !at(box).checked) return;
    const mask = found[key].img;
    for (let at = 0; at < nx * ny * nz; at++) {
      if (mask[at] && steps.some((step) => mask[at + step] !== mask[at])) out[at] = index + 1;
    }
  });
  volume.opacity = 1;
}

const cursor = (nv) => Array.from(nv.frac2mm(nv.scene.crosshairPos)).slice(0, 3);

function move(mm) {
  for (const side of SIDES) {
    const nv = views[side];
    nv.scene.crosshairPos = nv.mm2frac(mm);
    nv.drawScene();
  }
  tell();
}

function valueAt(volume, mm) {
  const voxel = volume.mm2vox(mm);
  const inside = voxel.every((index, axis) => index >= 0 && index < volume.dimsRAS[axis + 1]);
  return inside ? volume.getValue(...voxel) : NaN;
}

function tell() {
  const mm = cursor(views.left);
  for (const side of SIDES) {
    const nv = views[side], scan = scans[at(side).value], mask = masks[side];
    if (!mask) return;
    const lesion = (key) => scan.lesions[valueAt(mask[key], mm) - 1]?.id ?? EMPTY;
    const suv = valueAt(nv.volumes[PET], mm), hu = valueAt(nv.volumes[CT], mm);
    const texts = {
      visit: scan.visit,
      suv: Number.isFinite(suv) ? suv.toFixed(2) : EMPTY,
      hu: Number.isFinite(hu) ? hu.toFixed(0) : EMPTY,
      organ: mask.labels ? (scan.organs[valueAt(mask.labels, mm)] ?? EMPTY).replaceAll("_", " ") : "not known",
      truth: lesion("truth"),
      contour: lesion("contour"),
    };
    for (const [name, text] of Object.entries(texts)) at(`${side}-${name}`).textContent = text;
  }
  ["x", "y", "z"].forEach((name, axis) => { if (document.activeElement !== at(name)) at(name).value = mm[axis].toFixed(1); });
}

function steer(event) {
  const steps = { ArrowLeft: [1, 0, 0], ArrowRight: [-1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const size = scans[at("left").value].spacing_mm;
  move(cursor(views.left).map((value, axis) => value + step[axis] * size[axis]));
}

async function start() {
  for (const side of SIDES) {
    const canvas = at(`${side}-canvas`);
    canvas.addEventListener("keydown", steer);
    views[side] = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.25, 0.55, 1, 1], crosshairGap: 8, dragAndDropEnabled: false,
      isNearestInterpolation: false, isRadiologicalConvention: true, loadingText: "", logLevel: "error",
      multiplanarLayout: 2, multiplanarShowRender: 0, scrollRequiresFocus: true,
    });
    await views[side].attachToCanvas(canvas);
    views[side].onLocationChange = tell;
  }
  views.left.broadcastTo(views.right);
  views.right.broadcastTo(views.left);
  await Promise.all(SIDES.map(show));
  const known = scans[at("left").value].lesions;
  const hottest = known.reduce((best, item) => (best && best.suv_max >= item.suv_max ? best : item), null);
  move(hottest ? hottest.center_mm : cursor(views.left));
  for (const side of SIDES) at(side).addEventListener("change", () => show(side));
  for (const id of ["mode", "suv", "truth", "contour", "organs"]) at(id).addEventListener("change", () => SIDES.forEach(paint));
  at("planes").addEventListener("change", () => SIDES.forEach((side) => views[side].setSliceType(Number(at("planes").value))));
  for (const id of ["x", "y", "z"]) at(id).addEventListener("change", () => move(["x", "y", "z"].map((name) => Number(at(name).value))));
  for (const button of document.querySelectorAll(".go")) button.addEventListener("click", () => move(button.dataset.mm.split(",").map(Number)));
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  const told = document.createElement("p");
  told.setAttribute("role", "alert");
  told.textContent = `The images could not be shown (${error.message}); they need WebGL 2.`;
  at("main").prepend(told);
});
