// What we change in plotly.js while bundling it: exact pieces of one pinned version, each found once or the build ends.
import { readFile } from "node:fs/promises";

/**
 * Points under the pointer are found by drawing the scene a second time, in colours that name its points, and reading
 * that back. plotly does so after every drawing, and waits for it: here it is done when the pointer moves.
 */
const PICKING = [
  [
    "    if(pickDirty) {\n      pickDirty = false\n      renderPick()\n    }\n\n    //Recalculate pixel data",
    "    //Recalculate pixel data",
  ],
  [
    "        for(var i=0; i<numPick; ++i) {\n          var result = pickBuffers[i].query(",
    "        if(pickDirty) {\n          pickDirty = false\n          renderPick()\n        }\n" +
      "        for(var i=0; i<numPick; ++i) {\n          var result = pickBuffers[i].query(",
  ],
  ["this._readTimeout = setTimeout(this._readCallback, 1)", "this._readCallback()"],
];

/**
 * plotly draws a small surface on about 200 × 200 points, bilinear between those given: 78,000 triangles for a picture
 * some 500 pixels wide. Half as many an axis look the same and cost a quarter.
 */
const FINENESS = [["var MIN_RESOLUTION = highlyComposites[9];", "var MIN_RESOLUTION = highlyComposites[8];"]];

/**
 * Words on the axes become triangles: each is painted on a canvas, read back and traced. plotly paints it 64 pixels
 * high on a canvas of 8192 × 1024 kept by the graphics card; half the height is as sharp, a quarter of the pixels, and
 * a canvas meant for reading is not fetched from the card for every word.
 */
const WORDS = [
  [
    '  defaultCanvas.width = 8192\n  defaultCanvas.height = 1024\n  defaultContext = defaultCanvas.getContext("2d")',
    "  defaultCanvas.width = 4096\n  defaultCanvas.height = 512\n" +
      '  defaultContext = defaultCanvas.getContext("2d", {willReadFrequently: true})',
  ],
  ["  var size = 64\n  var lineSpacing", "  var size = 32\n  var lineSpacing"],
];

const CHANGES = {
  "stackgl_modules/index.js": [...PICKING, ...WORDS],
  "src/traces/surface/convert.js": FINENESS,
};

function changed(text, pieces, path) {
  return pieces.reduce((whole, [from, to]) => {
    const parts = whole.split(from);
    if (parts.length !== 2) throw new Error(`${path}: expected one "${from}", found ${parts.length - 1}`);
    return parts.join(to);
  }, text);
}

/** A plugin of esbuild. */
export const plotlyChanges = {
  name: "plotly-changes",
  setup(builder) {
    for (const [name, pieces] of Object.entries(CHANGES)) {
      const filter = new RegExp(`plotly\\.js/${name.replaceAll(".", "\\.")}$`);
      builder.onLoad({ filter }, async ({ path }) => ({
        contents: changed(await readFile(path, "utf8"), pieces, path),
        loader: "js",
      }));
    }
  },
};
